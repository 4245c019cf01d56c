"use strict";
// One player for every mixture. Its sounds start together on one clock, and switching moves gains only, so the position
// is the same to the sample whatever is heard.
const FADE_S = 0.01;  // short enough to compare, long enough not to click
const AHEAD_S = 0.03;  // for all sounds to be ready when they start
let context = null;  // made when first needed: before somebody asks for sound, browsers allow none

class Player {
  constructor(section) {
    this.figures = [...section.querySelectorAll("figure")];
    this.radios = this.figures.map(figure => figure.querySelector("input"));
    this.marks = this.figures.map(figure => figure.querySelector("i"));
    this.audios = this.figures.map(figure => figure.querySelector("audio"));
    this.button = section.querySelector("button");
    this.range = section.querySelector("[type=range]");
    this.time = section.querySelector(".time");
    this.duration = Number(this.range.max);
    this.at = 0;  // seconds, where it does not play
    this.voices = [];  // while it plays: a source and a gain for every sound
    this.heard = Math.max(0, this.radios.findIndex(radio => radio.checked));
    section.querySelector(".transport").hidden = false;
    section.querySelector(".signals").classList.add("players");
    this.audios.forEach(audio => { audio.hidden = true; });
    this.button.addEventListener("click", () => this.toggle());
    this.range.addEventListener("input", () => this.seek(Number(this.range.value)));
    this.figures.forEach((figure, number) => {
      this.radios[number].hidden = false;
      this.radios[number].addEventListener("change", () => this.hear(number));
      figure.querySelector(".picture").addEventListener("click", event => {
        const box = figure.querySelector(".picture").getBoundingClientRect();
        this.hear(number);
        this.seek((event.clientX - box.left) / box.width * this.duration);
      });
    });
    section.addEventListener("keydown", event => this.key(event));
    this.hear(this.heard);
    this.show();
  }

  get playing() { return this.voices.length > 0; }

  get position() {
    return this.playing ? Math.min(Math.max(context.currentTime - this.began, this.from), this.duration) : this.at;
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const number = this.figures.findIndex(figure => figure.dataset.key === event.key.toLowerCase());
    if (number >= 0) this.hear(number);
    else if (event.key === " " && event.target !== this.button) this.toggle();
    else return;
    event.preventDefault();
  }

  toggle() { return this.playing || this.starting ? this.pause() : this.play(); }

  async play() {
    players.forEach(other => other !== this && other.pause());
    const started = this.starting = {};
    context ??= new AudioContext();
    this.sounds ??= Promise.all(this.audios.map(audio => context.decodeAudioData(bytes(audio.src))));
    this.button.textContent = "Pause";
    const [buffers] = await Promise.all([this.sounds, context.resume()]);
    if (this.starting !== started) return;  // paused meanwhile
    this.starting = null;
    this.from = this.at < this.duration - 0.05 ? this.at : 0;
    const when = context.currentTime + AHEAD_S;
    this.began = when - this.from;
    this.voices = buffers.map((buffer, number) => {
      const source = context.createBufferSource(), gain = context.createGain();
      source.buffer = buffer;
      gain.gain.value = number === this.heard ? 1 : 0;
      source.connect(gain).connect(context.destination);
      source.start(when, this.from);
      return {source, gain};
    });
    const voices = this.voices;
    voices[0].source.onended = () => this.voices === voices && this.end();
    this.show();
  }

  pause() {
    this.at = this.position;
    this.voices.forEach(voice => voice.source.stop());
    this.voices = [];
    this.starting = null;
    this.button.textContent = "Play";
    this.show();
  }

  // The clock moves by quanta of samples, so it may be a little short of the end when the sound is over.
  end() {
    this.pause();
    this.seek(this.duration);
  }

  seek(seconds) {
    const playing = this.playing;
    if (playing) this.pause();
    this.at = Math.min(Math.max(seconds, 0), this.duration);
    if (playing) this.play();
    this.show();
  }

  hear(number) {
    this.heard = number;
    this.radios[number].checked = true;
    this.figures.forEach((figure, other) => figure.classList.toggle("heard", other === number));
    this.voices.forEach(({gain}, other) => {
      gain.gain.cancelScheduledValues(context.currentTime);
      gain.gain.setValueAtTime(gain.gain.value, context.currentTime);
      gain.gain.linearRampToValueAtTime(other === number ? 1 : 0, context.currentTime + FADE_S);
    });
  }

  show() {
    const seconds = this.position;
    this.range.value = seconds;
    this.range.setAttribute("aria-valuetext", `${seconds.toFixed(1)} seconds`);
    this.time.textContent = `${seconds.toFixed(1)} of ${this.duration.toFixed(1)} s`;
    this.marks.forEach(mark => { mark.style.left = `${100 * seconds / this.duration}%`; });
    if (this.playing) requestAnimationFrame(() => this.show());
  }
}

function bytes(address) {
  return Uint8Array.from(atob(address.slice(address.indexOf(",") + 1)), letter => letter.charCodeAt(0)).buffer;
}

const players = [...document.querySelectorAll(".mixture")].map(section => new Player(section));
document.getElementById("keys").hidden = players.length === 0;
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(details => { details.open = true; }));
