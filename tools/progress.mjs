const WIDTH = 24;
/** Milliseconds between two lines where there is no terminal. */
const PAUSE = 10_000;

const duration = (seconds) =>
  seconds < 100 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;

/**
 * Progress of long work on stderr: a bar on a terminal, otherwise a line every ten seconds, without
 * control characters. Shows how much is done, the time spent and the time left.
 *
 * @param {string} label
 * @param {number} total 0 where it is unknown: then there is no bar and no time left
 * @param {{ isTTY?: boolean, columns?: number, write(text: string): unknown }} [stream]
 * @returns {{ (done: number, detail?: string): void, clear(): void }} call it with what is done so
 *   far; `clear` removes the bar before something else is printed
 */
export function createProgress(label, total, stream = process.stderr) {
  const started = performance.now();
  let last = started;
  const describe = (done, detail) => {
    const seconds = (performance.now() - started) / 1000;
    const left = done > 0 && done < total ? (seconds / done) * (total - done) : 0;
    const times = `${duration(seconds)}${left > 0 ? `, ${duration(left)} left` : ""}`;
    return [label, total > 0 ? `${done}/${total}` : `${done}`, times, detail]
      .filter(Boolean)
      .join("  ");
  };
  const clear = () => {
    if (stream.isTTY) stream.write("\r\x1b[2K");
  };
  const update = (done, detail) => {
    if (stream.isTTY) {
      const filled = total > 0 ? Math.round(Math.min(1, done / total) * WIDTH) : 0;
      const bar = total > 0 ? `${"█".repeat(filled)}${"░".repeat(WIDTH - filled)} ` : "";
      const text = bar + describe(done, detail);
      clear();
      stream.write(text.slice(0, Math.max(20, (stream.columns ?? 100) - 1)));
      if (total > 0 && done >= total) clear();
    } else if (performance.now() - last >= PAUSE) {
      last = performance.now();
      stream.write(`${describe(done, detail)}\n`);
    }
  };
  return Object.assign(update, { clear });
}
