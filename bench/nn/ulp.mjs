/** Errors of exp, sigmoid and tanh against f64, over all f32. HELP says how. */
import { createBytelane, tensor } from "bytelane";
import { activate } from "bytelane/nn";
import { integerOption, runCommand, writeJson } from "../../tools/command.mjs";
import { createProgress } from "../../tools/progress.mjs";
import { textTable } from "../../tools/table.mjs";

const HELP = `
The largest error of exp, sigmoid and tanh in units of the last place, over every f32.

  node bench/nn/ulp.mjs              every f32: some minutes on an idle machine
  node bench/nn/ulp.mjs --step 61    every 61st

  --step N      which bit patterns are tried (default 1)
  --tier NAME   simd, relaxed or direct (default: what createBytelane chooses)
  --json FILE   also writes { figures }`;

const EXACT = {
  exp: Math.exp,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  tanh: Math.tanh,
};
const COUNT = 2 ** 16;
/** Finite f32 of one sign. */
const PATTERNS = 0x7f800000;
const LEAST = 2 ** -149;

/** The distance of two neighbours at y among f32, those below the least normal one included. */
function unitAt(y) {
  const exponent = Math.floor(Math.log2(Math.abs(y)));
  return y === 0 ? LEAST : Math.max(2 ** (exponent - 23), LEAST);
}

function errorOf(got, right) {
  if (Math.fround(right) === got) return 0;
  if (!Number.isFinite(got)) return Number.POSITIVE_INFINITY;
  return Math.abs(got - right) / unitAt(right);
}

await runCommand(
  {
    help: HELP,
    options: {
      step: { type: "string", default: "1" },
      tier: { type: "string", default: "auto" },
    },
  },
  async ({ step, tier, json }) => {
    const apart = integerOption("step", step, 1, 1e6);
    const instance = await createBytelane({ tier });
    const x = tensor(instance, "f32", [COUNT]);
    const y = tensor(instance, "f32", [COUNT]);
    const bits = new Uint32Array(COUNT);
    const values = new Float32Array(bits.buffer);
    const worst = Object.fromEntries(Object.keys(EXACT).map((name) => [name, { error: 0, at: 0 }]));
    const progress = createProgress("patterns", Math.ceil((2 * PATTERNS) / apart));
    let done = 0;
    for (const sign of [0, 0x80000000]) {
      for (let first = 0; first < PATTERNS; first += COUNT * apart) {
        for (let i = 0; i < COUNT; i++) {
          bits[i] = sign + Math.min(first + i * apart, PATTERNS - 1);
        }
        x.data.set(values);
        for (const [name, exact] of Object.entries(EXACT)) {
          activate(instance, x, name, { out: y });
          const got = y.data;
          let most = worst[name];
          for (let i = 0; i < COUNT; i++) {
            const error = errorOf(got[i], exact(values[i]));
            // NaN is worse than any number
            if (!(error <= most.error)) most = { error, at: values[i] };
          }
          worst[name] = most;
        }
        done += COUNT;
        progress(done);
      }
    }
    const rows = Object.entries(worst).map(([name, { error, at }]) => [
      ...[name, error.toFixed(3), String(at)],
    ]);
    console.log(textTable([["", "ulp", "at"], ...rows]));
    const figures = Object.fromEntries(
      Object.entries(worst).map(([name, { error }]) => [`${name}Ulp`, error]),
    );
    writeJson(json, { figures, step: apart, tier: instance.tier });
  },
);
