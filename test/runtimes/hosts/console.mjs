// Node, Deno and Bun: the same file in all three. The first argument is the options as JSON.

import * as load from "bytelane/load";
import * as threads from "bytelane/threads";
import * as bytelane from "./library.mjs";
import { checkPools } from "./pooled.mjs";
import { run } from "./suite.mjs";

const options = JSON.parse(process.argv[2]);
const at = (name) => new URL(import.meta.resolve(`bytelane/wasm/bytelane.${name}.wasm`));
const loaded = (tier, more) => load.createBytelane({ [tier]: at(tier), tier, ...more });
const shared = (tier, more) =>
  threads.createBytelane({ [tier]: at(`${tier}.threads`), tier, ...more });

const starts = {
  inlined: (tier) => bytelane.createBytelane({ tier }),
  sync: (tier) => bytelane.createBytelaneSync({ tier }),
  loaded: (tier) => loaded(tier),
  shared: (tier) => shared(tier),
};
if (options.source) {
  const source = await import("bytelane/source");
  starts.source = (tier) => source.createBytelane({ tier });
}

const result = await run(bytelane, { ...options, starts });
const pool = { size: 2, least: 0 };
const pools = options.tiers.flatMap((tier) => [
  { tier, name: "messages", open: () => loaded(tier, { pool }) },
  { tier, name: "memory", open: () => shared(tier, { pool }) },
]);
result.pools = await checkPools(bytelane, pools);
process.stdout.write(`${JSON.stringify(result)}\n`);
