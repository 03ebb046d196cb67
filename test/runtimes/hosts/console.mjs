// Node, Deno and Bun: the same file in all three. The first argument is the options as JSON.

import * as load from "bytelane/load";
import * as bytelane from "./library.mjs";
import { checkPools } from "./pooled.mjs";
import { run, tiersHere } from "./suite.mjs";

const options = JSON.parse(process.argv[2]);
const folder = new URL(".", import.meta.resolve("bytelane/wasm/bytelane.simd.wasm"));
const loaded = (tier, more) => load.createBytelane({ folder, tier, ...more });
const shared = (tier, more) => load.createBytelane({ folder, tier, shared: true, ...more });

const starts = {
  inlined: (tier) => bytelane.createBytelane({ tier }),
  sync: (tier) => bytelane.createBytelaneSync({ tier }),
  loaded: (tier) => loaded(tier),
  shared: (tier) => shared(tier),
};
if (options.source) {
  const module = await import("bytelane/module");
  starts.module = (tier) => module.createBytelane({ tier });
}

const result = await run(bytelane, { ...options, starts });
const workers = { size: 2, minimumWork: 0 };
const pools = tiersHere().flatMap((tier) => [
  { tier, name: "messages", open: () => loaded(tier, { workers }) },
  { tier, name: "memory", open: () => shared(tier, { workers }) },
]);
result.pools = await checkPools(bytelane, pools);
process.stdout.write(`${JSON.stringify(result)}\n`);
