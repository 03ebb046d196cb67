/** Calls from a page to its worker: a name and an argument there, a result or an error back. */

/**
 * In the worker. `handlers` are functions by name; one that returns `{ result, transfer }` hands
 * buffers over. Calls run one after the other, in the order in which they came.
 */
export function serveCalls(handlers) {
  let last = Promise.resolve();
  globalThis.onmessage = ({ data: { id, name, argument } }) => {
    last = last.then(async () => {
      try {
        const start = performance.now();
        const { result, transfer = [] } = await handlers[name](argument);
        globalThis.postMessage({ id, result, milliseconds: performance.now() - start }, transfer);
      } catch (error) {
        globalThis.postMessage({ id, error: error.message });
      }
    });
  };
}

/** In the page: `call(name, argument, transfer)` gives `{ result, milliseconds }`. */
export function createCaller(worker) {
  const waiting = new Map();
  let last = 0;
  let broken;
  worker.onmessage = ({ data: { id, result, milliseconds, error } }) => {
    const { done, fail } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) done({ result, milliseconds });
    else fail(new Error(error));
  };
  worker.onerror = (event) => {
    broken = new Error(event.message ?? "the worker failed");
    for (const { fail } of waiting.values()) fail(broken);
    waiting.clear();
  };
  return {
    call: (name, argument, transfer = []) =>
      new Promise((done, fail) => {
        if (broken) {
          fail(broken);
          return;
        }
        waiting.set(++last, { done, fail });
        worker.postMessage({ id: last, name, argument }, transfer);
      }),
    end: () => worker.terminate(),
  };
}
