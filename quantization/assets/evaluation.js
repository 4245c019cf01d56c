// One sound at a time; within a mixture the next player goes on where the last one was.
for (const mixture of document.querySelectorAll(".mixture")) {
  for (const player of mixture.querySelectorAll("audio")) {
    player.addEventListener("play", () => {
      for (const other of document.querySelectorAll("audio")) {
        if (other === player || other.paused) continue;
        if (mixture.contains(other)) player.currentTime = other.currentTime;
        other.pause();
      }
    });
  }
}
