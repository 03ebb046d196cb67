/**
 * A process that runs tests of bundled files, with one mutant or none. Its parent ends it where a
 * mutant loops for ever. Messages: `{ file, mutant, pieces, tests }` in, `{ failed, tests, hits }`
 * out, and `{ begins }` with the index of each test before it.
 */
import { pathToFileURL } from "node:url";
import v8 from "node:v8";
import { end, gather, run } from "./vitest.mjs";

if (Number(process.versions.node.split(".")[0]) < 22) {
  v8.setFlagsFromString("--experimental-wasm-relaxed-simd");
}
process.env.SEED = "1";

/** Milliseconds of silence after which a test does not end: nothing runs, and nothing will. */
const PATIENCE = 60_000;

let active = -1;
let hits = new Set();
let isWatching = true;
globalThis.__mutants = {
  pieces: undefined,
  is(id) {
    if (isWatching) hits.add(id);
    return id === active;
  },
};
/** A kernel that runs is a hit under this name. */
const kernel = (name) => `kernel ${name}`;
WebAssembly.Instance = new Proxy(WebAssembly.Instance, {
  construct(Instance, given) {
    const instance = new Instance(...given);
    if (!isWatching) return instance;
    const exports = Object.entries(instance.exports).map(([name, value]) => {
      if (typeof value !== "function") return [name, value];
      const watched = (...numbers) => {
        hits.add(kernel(name));
        return value(...numbers);
      };
      return [name, watched];
    });
    return { exports: Object.fromEntries(exports) };
  },
});
// a promise that nobody awaits may fail after its test
process.on("unhandledRejection", () => {});
process.on("uncaughtException", () => {});

function within(promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("a test that does not end")), PATIENCE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

let count = 0;

/** Gathers the tests of a file anew, so that no state of another mutant is left. */
async function gathered(file) {
  const suite = gather();
  globalThis.__vitest = await import("./vitest.mjs");
  await import(`${pathToFileURL(file).href}?${count++}`);
  return suite.tests;
}

/** Milliseconds that this process has run: the clock says more where others keep it waiting. */
function processorTime() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** What each test of a file runs through, without a mutant; which of them pass, and how fast. */
async function survey(file) {
  hits = new Set();
  const all = await gathered(file);
  const onLoad = [...hits];
  const tests = [];
  for (const each of all) {
    hits = new Set();
    const started = processorTime();
    let passes = true;
    await within(run(each)).catch(() => {
      passes = false;
    });
    tests.push({ passes, milliseconds: processorTime() - started, hits: [...hits] });
  }
  await end(all);
  return { onLoad, tests };
}

/** Whether one of these tests fails. */
async function fails(file, indices) {
  isWatching = false;
  let all = [];
  const ran = [];
  try {
    all = await gathered(file);
    for (const index of indices) {
      ran.push(all[index]);
      process.send({ begins: index });
      await within(run(all[index]));
    }
    return false;
  } catch {
    return true;
  } finally {
    await end(ran).catch(() => {});
    isWatching = true;
  }
}

process.on("message", async ({ file, mutant, pieces, tests }) => {
  active = mutant ?? -1;
  globalThis.__mutants.pieces = pieces;
  try {
    const answer = tests ? { failed: await fails(file, tests) } : await survey(file);
    process.send(answer);
  } catch (fault) {
    process.send({ fault: String(fault?.stack ?? fault) });
  }
});
process.send({ ready: true });
