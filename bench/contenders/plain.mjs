import { Worker } from "node:worker_threads";
import { answerOf } from "../harness.mjs";

/**
 * Plain JavaScript in a thread of its own, with no WebAssembly memory that grows: V8 drops its
 * assumption that no buffer is ever detached when one is, and every access of a typed array in the
 * same isolate checks for it from then on (dequantize on Node 20: 2.0 → 1.1 GB/s).
 *
 *     contend(item)    the plain contenders of a case; a ratio is taken to the fastest of them.
 *                      None for work that in plain JavaScript is that of another case
 *     expected(item)   the values that every contender of a case should give
 */
export function openPlain() {
  const worker = new Worker(new URL("plain-worker.mjs", import.meta.url));
  let opened = null;

  // The thread's first message says that it listens: Deno drops what is sent before.
  const ready = answerOf(worker);
  const ask = async (request) => {
    await ready;
    const answered = answerOf(worker);
    worker.postMessage(request);
    return answered;
  };

  const open = async ({ op, shape }) => {
    if (opened?.op !== op || opened.shape !== shape) {
      opened = { op, shape, ...(await ask({ open: { op, shape } })) };
    }
    return opened;
  };

  return {
    async contend(item) {
      if (item.isSameInPlain) return [];
      const { names } = await open(item);
      return names.map((name, index) => ({
        name,
        isBaseline: true,
        time: (iterations) => ask({ time: { index, iterations } }),
        // The first is what the others are held against.
        output: index > 0 ? () => ask({ output: { index } }) : null,
      }));
    },
    async expected(item) {
      const one = await open(item);
      one.values ??= await ask({ output: { index: 0 } });
      return one.values;
    },
    close: () => worker.terminate(),
  };
}
