// One job on workers in a fresh process: fresh.mjs runs it with a runtime. The arguments are the
// memory (shared or own), the format of the layer, the operation's m, n and depth, and the tier.
// Prints "right" where the bytes are those of one thread, and ends by itself. Standard error tells
// how far it has come.

import { readFileSync } from "node:fs";
import { createLinear, linear } from "../../dist/index.js";
import { createBytelaneSync } from "../../dist/load.js";
import * as workers from "../../dist/workers.js";
import { createRandom } from "../../tools/random.mjs";

const [memory, format, m, n, depth, tier] = process.argv
  .slice(2)
  .map((text) => (Number.isNaN(Number(text)) ? text : Number(text)));
const shared = memory === "shared";
const file = `../../dist/wasm/bytelane.${tier}${shared ? ".threads" : ""}.wasm`;
const instance = createBytelaneSync({
  ...{ [tier]: readFileSync(new URL(file, import.meta.url)), tier, shared },
  workers: { size: 2, minimumWork: 0 },
});
const random = createRandom(m * 65_537 + n * 257 + depth);
const reals = (count) => Float32Array.from({ length: count }, () => random() * 2 - 1);
const layer = createLinear(instance, { format, weights: reals(depth * n), shape: [depth, n] });
const x = reals(m * depth);
const wanted = new Uint8Array(linear(layer, x).buffer);
console.error("waits for the workers");
const got = new Uint8Array((await workers.linear(layer, x)).buffer);
console.error("has the result");
const wrong = got.filter((byte, i) => byte !== wanted[i]).length;
layer.dispose();
const left = instance.bytesUsed;
instance.dispose();
if (got.length !== wanted.length || wrong > 0) console.log(`${wrong} wrong bytes`);
else console.log(left === 0 ? "right" : `${left} bytes left`);
console.error("has disposed the instance");
