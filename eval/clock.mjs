/** Adds up milliseconds by kind of work. */
export function createClock() {
  const times = new Map();
  return {
    times,
    /** Runs a call of the library. */
    time(kind, call) {
      const start = performance.now();
      const result = call();
      times.set(kind, (times.get(kind) ?? 0) + performance.now() - start);
      return result;
    },
  };
}
