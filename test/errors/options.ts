/** Options that nobody knows: each function names the nearest one that exists. */
import { createObserver } from "../../src/calibration/index.ts";
import {
  type Bytelane,
  chooseParams,
  clamp,
  createBytelaneSync,
  createLinear,
  createTable,
  dequantize,
  fromF16,
  gather,
  linear,
  matmul,
  minMax,
  packMatrix,
  quantize,
  quantizeDynamic,
  quantizeInt4,
  quantizeRows,
  requantize,
  tensor,
  toF16,
} from "../../src/entries/index.ts";
import type { Case } from "./case.ts";

// biome-ignore lint/suspicious/noExplicitAny: arguments of the wrong kind on purpose
const wrong = (value: unknown): any => value;

const x = new Float32Array(6);
const q = new Int8Array(6);
const shape = [2, 3] as const;
const params = { scale: 1 };

/** A call with an option that does not exist, and the one that it most likely means. */
const misspelt = (
  argument: string,
  given: string,
  nearest: string,
  call: (instance: Bytelane, options: never) => unknown,
  others: object = {},
): Case => [
  "TypeError",
  `"${argument}" expected another name, such as "${nearest}", got the unknown option "${given}"`,
  (instance) => call(instance, { ...others, [given]: 1 } as never),
];

export const options: Case[] = [
  misspelt("options", "teir", "tier", (_, given) => createBytelaneSync(given)),
  misspelt("bounds", "min", "low", (instance, given) => clamp(instance, x, given)),
  misspelt("bounds", "max", "high", (instance, given) => clamp(instance, x, given)),
  misspelt("options", "output", "out", (instance, given) => clamp(instance, x, {}, given)),
  misspelt(
    "params",
    "zero_point",
    "zeroPoint",
    (instance, given) => quantize(instance, x, given),
    params,
  ),
  misspelt(
    "params",
    "zeropoint",
    "zeroPoint",
    (instance, given) => quantize(instance, x, given),
    params,
  ),
  misspelt(
    "params",
    "zeroPoints",
    "zeroPoint",
    (instance, given) => dequantize(instance, q, given),
    params,
  ),
  misspelt("options", "profil", "profile", (instance, given) =>
    quantize(instance, x, params, given),
  ),
  misspelt("options", "shapes", "shape", (instance, given) =>
    dequantize(instance, q, params, given),
  ),
  misspelt("options", "shpae", "shape", (instance, given) => quantizeDynamic(instance, x, given)),
  misspelt("options", "type", "dtype", (instance, given) => quantizeRows(instance, x, given)),
  misspelt("options", "axes", "axis", (instance, given) => minMax(instance, x, given)),
  misspelt("options", "Out", "out", (instance, given) => toF16(instance, x, given)),
  misspelt("options", "ouT", "out", (instance, given) =>
    fromF16(instance, new Uint16Array(1), given),
  ),
  misspelt("params", "multiplyer", "multiplier", (instance, given) =>
    requantize(instance, new Int32Array(1), given),
  ),
  misspelt("options", "shap", "shape", (instance, given) =>
    requantize(instance, new Int32Array(1), { multiplier: 1 }, given),
  ),
  misspelt("table", "scales", "scale", (instance, given) => createTable(instance, given), {
    ...{ values: q, scale: 1 },
  }),
  misspelt("options", "oot", "out", (instance, given) => {
    using table = createTable(instance, {
      values: q,
      scale: 1,
      zeroPoint: 0,
      shape: [1, q.length],
    });
    return gather(table, [0], given);
  }),
  misspelt("options", "schema", "scheme", (_, given) => chooseParams({ min: 0, max: 1 }, given)),
  misspelt(
    "options",
    "orientated",
    "orientation",
    (instance, given) => packMatrix(instance, q, given),
    { shape },
  ),
  misspelt(
    "lhs",
    "zero-point",
    "zeroPoint",
    (instance, given) => matmul(instance, given, { values: q }, { m: 1, n: 1, depth: 1 }),
    { values: q },
  ),
  misspelt(
    "rhs",
    "orientaton",
    "orientation",
    (instance, given) => matmul(instance, { values: q }, given, { m: 1, n: 1, depth: 1 }),
    { values: q },
  ),
  misspelt(
    "options",
    "d_type",
    "dtype",
    (instance, given) => matmul(instance, { values: q }, { values: q }, given),
    { m: 1, n: 1, depth: 1 },
  ),
  misspelt(
    "options",
    "activaton",
    "activation",
    (instance, given) => createLinear(instance, given),
    { weights: x, shape },
  ),
  misspelt(
    "options",
    "blocksize",
    "blockSize",
    (instance, given) => quantizeInt4(instance, x, given),
    { shape },
  ),
  misspelt(
    "options",
    "percentile",
    "percent",
    (instance, given) => createObserver(instance, given),
    { method: "percentile" },
  ),
  [
    "TypeError",
    '"options" expected another name, such as "out", got the unknown option "ou"',
    (instance) => {
      using layer = createLinear(instance, { weights: x, shape });
      return linear(layer, x, wrong({ ou: x }));
    },
  ],
  [
    "TypeError",
    '"options" expected one of the names shape, out, got the unknown option "colour"',
    (instance) => dequantize(instance, q, params, wrong({ colour: 1 })),
  ],
  [
    "TypeError",
    '"options" expected an object of options, got tensor f32 [6]',
    (instance) => {
      using out = tensor(instance, "f32", [6]);
      return dequantize(instance, q, params, wrong(out));
    },
  ],
  [
    "TypeError",
    '"options" expected an object of options, got Float32Array(6)',
    (instance) => dequantize(instance, q, params, wrong(x)),
  ],
  ["TypeError", '"options" expected an object, got 3', (instance) => minMax(instance, x, wrong(3))],
  [
    "RangeError",
    '"options.percent" expected percent in [1, 100], such as 99.9, got 0.999',
    (instance) => createObserver(instance, { method: "percentile", percent: 0.999 }),
  ],
];
