// What the page and the worker share. The entries and `options.mjs` are written by the driver.

import * as bytelane from "./entry.mjs";
import * as load from "./load-entry.mjs";
import options from "./options.mjs";
import { checkPools } from "./pooled.mjs";
import { post } from "./post.mjs";
import { run, tiersHere } from "./suite.mjs";

const isolated = globalThis.crossOriginIsolated === true;
const at = (name) => new URL(`${options.wasm}/bytelane.${name}.wasm`, import.meta.url);
const loaded = (tier, more) => load.createBytelane({ [tier]: at(tier), tier, ...more });
const shared = (tier, more) =>
  load.createBytelane({ [tier]: at(`${tier}.threads`), tier, shared: true, ...more });

/** WebKitGTK hides shared memory from a page that is isolated, too. */
const shares = isolated && typeof SharedArrayBuffer === "function";

const starts = {
  inlined: (tier) => bytelane.createBytelane({ tier }),
  sync: (tier) => bytelane.createBytelaneSync({ tier }),
  loaded: (tier) => loaded(tier),
  ...(shares && { shared: (tier) => shared(tier) }),
};

function evalBlocked() {
  try {
    return new Function("return false")();
  } catch {
    return true;
  }
}

/** Pools of both kinds; a strict policy takes workers from files alone. */
function pools(strict) {
  const worker = () =>
    new Worker(new URL("./pool-worker.mjs", import.meta.url), { type: "module" });
  const kinds = { messages: loaded, ...(shares && { memory: shared }) };
  return tiersHere().flatMap((tier) =>
    Object.entries(kinds).flatMap(([name, open]) => [
      {
        ...{ tier, name: strict ? `${name} refused` : name, refused: strict },
        open: () => open(tier, { workers: { size: 2, minimumWork: 0 } }),
      },
      {
        ...{ tier, name: `${name} (file)` },
        open: () => open(tier, { workers: { size: 2, minimumWork: 0, worker } }),
      },
    ]),
  );
}

export async function conform(place) {
  const result = await run(bytelane, { ...options, starts });
  const strict = evalBlocked();
  result.pools = await checkPools(bytelane, pools(strict));
  if (!isolated) {
    const words = await shared("simd").then(
      () => "an instance",
      (error) => error.message,
    );
    if (!words.includes("cross-origin isolated")) {
      result.failures.push(`expected words on isolation of a shared memory, got ${words}`);
    }
  }
  await post(place, { isolated, evalBlocked: strict, ...result });
}

/** Where the policy forbids WebAssembly, creation must be refused in words that help. */
export async function refusal(place) {
  try {
    await bytelane.createBytelane();
    await post(place, { failure: "expected a refusal under this policy, got an instance" });
  } catch (error) {
    await post(place, { refusal: String(error?.message ?? error) });
  }
}
