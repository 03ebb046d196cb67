// What the page and the worker share. `entry.mjs` and `options.mjs` are written by the driver.

import * as bytelane from "./entry.mjs";
import options from "./options.mjs";
import { post } from "./post.mjs";
import { run } from "./suite.mjs";

const starts = {
  inlined: (tier) => bytelane.createBytelane({ tier }),
  sync: (tier) => bytelane.createBytelaneSync({ tier }),
};

function evalBlocked() {
  try {
    return new Function("return false")();
  } catch {
    return true;
  }
}

export async function conform(place) {
  const isolated = globalThis.crossOriginIsolated === true;
  const result = await run(bytelane, { ...options, starts });
  await post(place, { isolated, evalBlocked: evalBlocked(), ...result });
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
