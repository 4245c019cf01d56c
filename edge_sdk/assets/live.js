// Shows the reports of /events, and plays the endless wav streams /in/N.wav and /out/N.wav.
"use strict";

const FLOOR_DB = -60;
const WAV_HEADER = 44;
const AHEAD_S = 0.15; // sound scheduled before it is due, against stalls of the network
const FAR_AHEAD_S = 0.6; // more than this: the clock of the sound card is faster than this computer's

const element = (id) => document.getElementById(id);

function made(kind, properties, ...children) {
  const node = Object.assign(document.createElement(kind), properties);
  node.append(...children);
  return node;
}

// Plays one stream at a time.
class Player {
  constructor() {
    this.address = null;
    this.volume = 1;
    this.onsamples = () => {}; // told every Int16Array that arrives
  }

  async play(address) {
    this.stop();
    this.address = address;
    this.leaving = new AbortController();
    const signal = this.leaving.signal;
    try {
      const answer = await fetch(address, { signal });
      if (!answer.ok) throw new Error(await answer.text());
      const reader = answer.body.getReader();
      let bytes = new Uint8Array(0);
      for (let begun = false; ; ) {
        const { done, value } = await reader.read();
        if (done || signal.aborted) break;
        bytes = joined(bytes, value);
        if (!begun && bytes.length >= WAV_HEADER) {
          begun = true;
          this.begin(new DataView(bytes.buffer, bytes.byteOffset).getUint32(24, true));
          bytes = bytes.slice(WAV_HEADER);
        }
        const whole = bytes.length - (bytes.length % 2);
        if (begun && whole) {
          this.schedule(new Int16Array(bytes.slice(0, whole).buffer));
          bytes = bytes.slice(whole);
        }
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      if (!signal.aborted) this.stop();
    }
  }

  begin(rate) {
    this.rate = rate;
    this.context = new AudioContext({ sampleRate: rate }); // pieces converted one by one would click where they meet
    this.gain = new GainNode(this.context, { gain: this.volume });
    this.analyser = new AnalyserNode(this.context);
    this.gain.connect(this.analyser).connect(this.context.destination);
    this.due = 0; // when the next piece begins, in samples
  }

  schedule(samples) {
    this.onsamples(samples);
    const now = Math.round(this.context.currentTime * this.rate);
    if (this.due < now) this.due = now + Math.round(AHEAD_S * this.rate);
    if (this.due > now + FAR_AHEAD_S * this.rate) return;
    const buffer = new AudioBuffer({ length: samples.length, sampleRate: this.rate });
    buffer.copyToChannel(Float32Array.from(samples, (sample) => sample / 32767), 0);
    const source = new AudioBufferSourceNode(this.context, { buffer });
    source.connect(this.gain);
    source.start(this.due / this.rate);
    this.due += samples.length;
  }

  setVolume(volume) {
    this.volume = volume;
    if (this.gain) this.gain.gain.value = volume;
  }

  stop() {
    this.leaving?.abort();
    this.context?.close();
    this.address = this.leaving = this.context = this.gain = this.analyser = null;
  }
}

function joined(first, second) {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

const player = new Player();

async function listen(address) {
  const playing = player.address === address ? null : address;
  player.stop();
  showListening(playing);
  if (playing === null) return;
  try {
    await player.play(playing);
  } catch (error) {
    element("listening").textContent = `cannot listen: ${error.message}`;
  }
  if (player.address === null) showListening(null);
}

function showListening(address) {
  for (const button of document.querySelectorAll(".meter button")) {
    button.setAttribute("aria-pressed", String(button.dataset.address === address));
  }
  element("listening").textContent = address === null ? "not listening" : `listening to ${address.slice(1)}`;
}

function meterRow(name, address) {
  const meter = made("meter", { min: FLOOR_DB, max: 0, low: -12, high: -3, optimum: FLOOR_DB, value: FLOOR_DB });
  const button = made("button", { type: "button", textContent: "listen", onclick: () => listen(address) });
  button.dataset.address = address;
  button.setAttribute("aria-pressed", "false");
  button.setAttribute("aria-label", `listen to ${name}`);
  meter.setAttribute("aria-label", `level of ${name}`);
  const level = made("span", { className: "level" });
  const fault = made("span", { className: "fault" });
  const row = made("div", { className: "meter" }, made("span", { textContent: name }), meter, level, button, fault);
  row.show = (db, wrong) => {
    meter.value = db;
    level.textContent = `${db.toFixed(1)} dB`;
    fault.textContent = wrong;
  };
  return row;
}

let rows = [];

function showLevels(stream) {
  const levels = [...stream.peak_in_db, ...stream.peak_out_db];
  if (rows.length !== levels.length) {
    rows = [
      ...stream.peak_in_db.map((_, i) => meterRow(`mic ${i}`, `/in/${i}.wav`)),
      ...stream.peak_out_db.map((_, i) => meterRow(`source ${i + 1}`, `/out/${i + 1}.wav`)),
    ];
    element("meters").replaceChildren(...rows);
  }
  rows.forEach((row, i) => row.show(levels[i], stream.mic_faults[i] ?? ""));
}

function showTimes(report) {
  const stream = report.stream;
  const most = Math.log1p(Math.max(0, ...report.histogram.map(([, count]) => count)));
  const bars = report.histogram.map(([upper_s, count]) => {
    const late = upper_s === null || upper_s > report.block_s * 1.000001;
    const bar = made("div", { className: late ? "late" : "" });
    bar.title = `${count} blocks up to ${upper_s === null ? "for ever" : duration(upper_s)}`;
    bar.style.height = `${(100 * Math.log1p(count)) / most}%`;
    return bar;
  });
  element("histogram").replaceChildren(...bars);
  element("quantiles").textContent =
    `p50 ${duration(stream.step_p50_s)}, p99 ${duration(stream.step_p99_s)}, p99.9 ${duration(stream.step_p999_s)}, ` +
    `slowest ${duration(stream.step_slowest_s)}, of ${duration(report.block_s)}; ${stream.missed} of ${stream.steps} too late`;
}

function showCounters({ stream, system }) {
  const alarming = [
    ["samples lost", stream.lost],
    ["overruns of the microphones", stream.overruns],
    ["times the playback device ran dry", stream.underruns],
    ["silence inserted for playback", stream.inserted],
    ["samples left out of playback", stream.dropped],
    ["devices opened again", stream.reopened],
    ...Object.entries(stream.fallbacks).map(([why, count]) => [`blocks without the model: ${why}`, count]),
  ].map(([what, count]) => [what, count, count > 0]);
  const others = [
    ["samples limited", stream.limited],
    ["samples repaired", stream.repaired],
    ["feedback stopped", stream.howls],
    ["samples captured", stream.captured],
    ["samples waiting for a block", stream.waiting],
    ["processor", `${(100 * system.cpu).toFixed(0)} %`],
    ["memory", `${(system.resident_bytes / 1e6).toFixed(0)} MB`],
  ].map(([what, count]) => [what, count, false]);
  if (system.temperature_c !== null) others.push(["temperature", `${system.temperature_c.toFixed(0)} °C`, false]);
  for (const what of system.throttled) others.push(["processor held back", what, true]);
  element("counters").replaceChildren(
    ...[...alarming, ...others].map(([what, count, alarm]) =>
      made("tr", { className: alarm ? "alarm" : "" }, made("th", { textContent: what }), made("td", { textContent: count })),
    ),
  );
}

// A point of the polar plot: 0 degrees to the right, 90 upwards, as the array's x and y seen from above.
function place(degrees, radius) {
  const angle = (degrees * Math.PI) / 180;
  return `${(radius * Math.cos(angle)).toFixed(4)} ${(-radius * Math.sin(angle)).toFixed(4)}`;
}

function drawn(kind, attributes, text = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = text;
  return node;
}

function spoke(degrees) {
  const [x, y] = place(degrees, 1.2).split(" ");
  return [drawn("path", { class: "spoke", d: `M0 0L${place(degrees, 1)}` }), drawn("text", { x, y }, `${degrees}°`)];
}

// From the middle to the rim: where a talker is, and as wide as it is unsure to either side.
function talkerWedge(talker, number) {
  const half = Math.min(Math.max(talker.unsure_deg, 0.5), 90);
  const from = place(talker.azimuth_deg - half, 1);
  const to = place(talker.azimuth_deg + half, 1);
  const [x, y] = place(talker.azimuth_deg, 1.08).split(" ");
  const wedge = drawn("path", { class: "talker", d: `M0 0L${from}A1 1 0 0 0 ${to}Z` });
  if (!talker.heard) wedge.classList.add("silent");
  return [wedge, drawn("text", { x, y }, `${number}`)];
}

function showDirections(directions) {
  element("directions").hidden = !directions;
  if (!directions) return;
  const outline = directions.power.map(([degrees, power]) => place(degrees, power));
  const present = directions.talkers.map((talker, i) => [talker, i + 1]).filter(([talker]) => talker);
  element("polar").replaceChildren(
    ...[1 / 3, 2 / 3, 1].map((radius) => drawn("circle", { r: radius })),
    ...[0, 90, 180, -90].flatMap(spoke),
    drawn("polygon", { class: "power", points: outline.join(" ") }),
    ...present.flatMap(([talker, number]) => talkerWedge(talker, number)),
  );
  const said = present.map(
    ([talker, number]) =>
      `talker ${number} at ${talker.azimuth_deg.toFixed(0)}° ± ${talker.unsure_deg.toFixed(0)}°${talker.heard ? "" : " (silent)"}`,
  );
  element("talkers").textContent = said.join(", ") || "nobody heard yet";
}

function duration(seconds) {
  if (seconds < 1e-3) return `${(1e6 * seconds).toFixed(0)} µs`;
  return seconds < 1 ? `${Number((1e3 * seconds).toPrecision(3))} ms` : `${Number(seconds.toPrecision(3))} s`;
}

function show(report) {
  const stream = report.stream;
  const place = stream.rungs.length > 1 ? ` (rung ${stream.rung + 1} of ${stream.rungs.length})` : "";
  element("engine").textContent = `${stream.rungs[stream.rung] ?? stream.rung}${place}`;
  say(`running for ${Math.floor(stream.uptime_s)} s`, false);
  showLevels(stream);
  showDirections(report.directions);
  showTimes(report);
  showCounters(report);
}

function say(text, bad) {
  element("state").textContent = text;
  element("state").className = bad ? "bad" : "";
}

function drawScope() {
  const canvas = element("scope");
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, canvas.width, canvas.height);
  if (player.analyser) {
    const wave = new Float32Array(player.analyser.fftSize);
    player.analyser.getFloatTimeDomainData(wave);
    pen.strokeStyle = getComputedStyle(canvas).color;
    pen.beginPath();
    wave.forEach((value, i) => pen.lineTo((i * canvas.width) / wave.length, (canvas.height * (1 - value)) / 2));
    pen.stroke();
  }
  requestAnimationFrame(drawScope);
}

element("volume").oninput = (event) => player.setVolume(event.target.valueAsNumber);
const source = new EventSource("/events");
source.onmessage = (event) => show(JSON.parse(event.data));
source.onerror = () => say("no stream; trying again", true);
drawScope();
