/**
 * Run by starts.mjs in a fresh process, with a module and the name of the starter that it exports:
 * prints the milliseconds of each step as JSON. Models and data are made before the clock starts.
 */
import { findCase } from "./cases.mjs";

const WARM_CALLS = 40;
const FURTHER_INSTANCES = 20;

const [module, name] = process.argv.slice(2);
const { op, prepare, load, create, createAgain } = (await import(module))[name];
const small = prepare(findCase(op, "64³"));
const large = prepare(findCase(op, "512³"));

const start = performance.now();
const loaded = await load();
const imported = performance.now();
const call = await create(loaded, small);
const created = performance.now();
await call();
const end = performance.now();

/** The least of the milliseconds that each of many turns takes. */
async function leastOf(turns, run) {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < turns; i++) {
    const before = performance.now();
    await run();
    least = Math.min(least, performance.now() - before);
  }
  return least;
}

const callLarge = await create(loaded, large);
const first512 = await leastOf(1, callLarge);
const warm512 = await leastOf(WARM_CALLS, callLarge);
const again = createAgain ? await leastOf(FURTHER_INSTANCES, () => createAgain(loaded)) : null;

console.log(
  JSON.stringify({
    import: imported - start,
    create: created - imported,
    run: end - created,
    total: end - start,
    first512,
    warm512,
    again,
  }),
);
process.exit(0);
