/** Workers of the playgrounds, and what their pages share. */
import { onBeforeUnmount, onMounted } from "vue";
import { createCaller } from "../../../work/calls.mjs";

const MAKE = {
  calibrate: () =>
    new Worker(new URL("../../../work/calibrate.mjs", import.meta.url), { type: "module" }),
  search: () =>
    new Worker(new URL("../../../work/search.mjs", import.meta.url), { type: "module" }),
  read: () => new Worker(new URL("../../../work/read.mjs", import.meta.url), { type: "module" }),
  machine: () =>
    new Worker(new URL("../../../work/machine.mjs", import.meta.url), { type: "module" }),
};

/** Workers that were started before their component was there. */
const started = new Map();

/** Starts a worker, which loads while the page loads its component. */
export function startWorker(kind) {
  if (!started.has(kind)) started.set(kind, createCaller(MAKE[kind]()));
}

/** A worker that lives as long as the component: `call(name, argument, transfer)`. */
export function useWorker(kind, begin) {
  let caller;
  onMounted(() => {
    caller = started.get(kind) ?? createCaller(MAKE[kind]());
    started.delete(kind);
    begin?.();
  });
  onBeforeUnmount(() => caller?.end());
  return (...given) => caller.call(...given);
}

/**
 * Runs the newest of calls that follow each other quickly: a slider that moves asks for many, and
 * only the last one counts.
 */
export function newest(run) {
  let running = false;
  let waiting = false;
  return async function again() {
    if (running) {
      waiting = true;
      return;
    }
    running = true;
    try {
      do {
        waiting = false;
        await run();
      } while (waiting);
    } finally {
      running = false;
    }
  };
}

/** Offers bytes as a file. */
export function download(name, buffer) {
  const url = URL.createObjectURL(new Blob([buffer]));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export const kB = (bytes) =>
  bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(2)} MB`;

export const short = (value) =>
  Math.abs(value) >= 1e4 || (value !== 0 && Math.abs(value) < 1e-3)
    ? value.toExponential(2)
    : value.toFixed(3);

/** What a test of the site reads: how long things took. */
export function report(key, value) {
  document.documentElement.dataset[key] = String(value);
}
