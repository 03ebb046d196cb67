// The habits of TypeScript users: each line is one that somebody stumbled over.
import {
  type Bytelane,
  chooseParams,
  createBytelane,
  createLinear,
  createTable,
  dequantize,
  gather,
  linear,
  matmul,
  type Profile,
  packMatrix,
  quantize,
  quantizeDynamic,
  quantizeRows,
  type Reals,
  type Tensor,
  tensor,
} from "bytelane";
import { createInputStats, createObserver } from "bytelane/calibration";
import {
  loadLayers,
  readSafetensors,
  saveLayers,
  tensorFloats,
  writeSafetensors,
} from "bytelane/formats";
import { conv2d, createConv2d } from "bytelane/nn";

const instance: Bytelane = await createBytelane({ workers: 0 });
const x = Float32Array.of(1, -2, 3, 4);
const weights = Float32Array.of(1, 0, 0, 1);

// a file's shapes and entries go where they are needed
const data = new Uint8Array(weights.buffer);
const opened = readSafetensors(writeSafetensors([["w", { dtype: "F32", shape: [2, 2], data }]]));
const entry = opened.tensors.get("w");
if (!entry) throw new Error("no entry");
const layer = createLinear(instance, {
  weights: tensorFloats(instance, entry),
  shape: entry.shape,
});
const rows = quantizeRows(instance, x, { shape: [2, 2] });
const saved = saveLayers(instance, { layer, rows, x, table: createTable(instance, rows) });
for (const stored of loadLayers(instance, saved).layers.values()) {
  switch (stored.kind) {
    case "int8":
    case "int4": {
      const y = linear(stored, x);
      if (y.length !== 4) throw new Error("a layer");
      break;
    }
    case "table": {
      const found: Float32Array = gather(stored, [1]);
      if (found.length !== 2) throw new Error("a table");
      break;
    }
    case "quantized": {
      const back: Tensor<"f32"> = dequantize(instance, stored);
      if (back.length !== 4) throw new Error("a quantized value");
      break;
    }
    case "tensor":
      if (stored.toArray().length !== 4) throw new Error("a tensor");
      break;
  }
  stored.dispose();
}

// a quantized value is taken whole
const whole = createLinear(instance, { weights: rows, orientation: "out-in" });
const product: Float32Array = matmul(
  instance,
  rows,
  { ...rows, orientation: "out-in" },
  { dtype: "f32" },
);
const dynamic = matmul(instance, quantizeDynamic(instance, x, { shape: [2, 2] }), {
  values: packMatrix(instance, rows.values, { shape: rows.shape }),
  scale: 2,
});
const sums: Int32Array = dynamic;

// one option for one thing
const observer = createObserver(instance, { method: "minmax" }).observe(x);
const inputStats = createInputStats(instance, 2).observe(x);
const mean: Float32Array = inputStats.mean;
const static8 = createLinear(instance, {
  ...{ weights, shape: [2, 2], inputStats },
  activations: observer.params(),
  output: observer.params(),
});
const integers: Int8Array = linear(static8, x);
const four = createLinear(instance, { format: "int4", weights, shape: [2, 2], inputStats });
const image = createConv2d(instance, {
  ...{ weights, shape: [1, 1, 2, 2], inputStats, activations: observer.params() },
});
const mapped: Float32Array = conv2d(image, x, { shape: [1, 2, 2] });
// @ts-expect-error: an option of the other format
export const other = () => createLinear(instance, { format: "int4", weights, inputMean: mean });
// @ts-expect-error: another name
export const misspelt = () => createLinear(instance, { weights, shape: [2, 2], activaton: "relu" });

// parameters carry their element type, whatever their profile
const profile: Profile = "pytorch";
const torch: Uint8Array = quantize(
  instance,
  x,
  chooseParams({ min: 0, max: 1 }, { dtype: "u8", profile }),
  {
    profile,
  },
);

// composition: add into a result, rows apart, a factor on one side
const out = new Float32Array(6);
linear(layer, x, { out, outStride: 3, accumulate: true });
const scaled: Float32Array = matmul(
  instance,
  { ...rows, factor: 0.5 },
  { ...rows, orientation: "out-in" },
  { dtype: "f32" },
);

// halves are reals
const real: Reals = x;
const again: Int8Array = quantize(instance, real, { scale: 1 });

// handles print as what they are, and give their elements
const held = tensor(instance, "i32", [2], [1, 2]);
const copy: Int32Array = held.toArray();
if (String(held) !== "tensor i32 [2]" || `${instance}`.indexOf("instance") !== 0) {
  throw new Error(String(held));
}
const address: number = held.address;
export const buffer: ArrayBufferLike = instance.memory.buffer;
export const results = [
  whole,
  product,
  sums,
  integers,
  four,
  mapped,
  torch,
  scaled,
  again,
  copy,
  address,
];
instance.dispose();
