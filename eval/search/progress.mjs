const WIDTH = 30;

/**
 * Progress on stderr: a bar on a terminal, else a line after every tenth of the work.
 * Call the result with the count done so far.
 */
export function createProgress(label, total, stream = process.stderr) {
  const started = performance.now();
  let lastTenth = -1;
  return (done) => {
    const share = total > 0 ? done / total : 1;
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    const text = `${label} ${done}/${total} ${seconds} s`;
    if (stream.isTTY) {
      const filled = Math.round(share * WIDTH);
      const bar = "█".repeat(filled) + "░".repeat(WIDTH - filled);
      stream.write(`\r${bar} ${text}${done >= total ? "\n" : ""}`);
      return;
    }
    const tenth = Math.floor(share * 10);
    if (tenth > lastTenth) {
      lastTenth = tenth;
      stream.write(`${text}\n`);
    }
  };
}
