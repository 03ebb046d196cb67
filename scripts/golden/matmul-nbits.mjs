/**
 * Holds layers in blocks against ONNX Runtime's MatMulNBits, on random shapes, odd ones and shorter
 * last blocks among them:
 *
 *     node scripts/golden/matmul-nbits.mjs [--shapes N] [--json FILE]
 *
 * Codes of 8 bits, with and without zero points, and fractional zero points with 4 bits: this
 * runtime has none with 8 bits. With `activations: "f32"` a layer multiplies the same reals:
 * `nbitsDiffer` counts values that are further apart than 1e-4 of Σ |x · w| and 1e-5. With the
 * default activations rows are quantized to i8: `nbitsDynamicError` is the largest difference as a
 * part of the largest |y| of the product, `nbitsDynamicMean` its mean.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { onnxModel } from "../../tools/models/onnx.mjs";
import { createRandom, integerIn } from "../../tools/random.mjs";

const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
const cache = path.join(root, ".cache", "golden");
const HELP = "node scripts/golden/matmul-nbits.mjs [--shapes N] [--json FILE]";
const KINDS = [
  { bits: 8, zeros: "none" },
  { bits: 8, zeros: "bytes" },
  { bits: 4, zeros: "real" },
];

/** A product of random sizes: x, the operands of MatMulNBits, and their reals. */
function drawCase(at) {
  const random = createRandom(9000 + at);
  const { bits, zeros } = KINDS[at % KINDS.length];
  const blockSize = 2 ** integerIn(random, 4, 8);
  const columns = integerIn(random, 1, 700);
  const rows = integerIn(random, 1, 90);
  const m = integerIn(random, 1, 6);
  const blocks = Math.ceil(columns / blockSize);
  const bytes = (length) => Uint8Array.from({ length }, () => integerIn(random, 0, 255));
  const reals = (length, draw) => Float32Array.from({ length }, draw);
  const count = rows * blocks;
  const most = 2 ** bits;
  return {
    ...{ m, rows, columns, blockSize, blocks, bits },
    values: bytes((count * blockSize * bits) / 8),
    scale: reals(count, () => (random() - 0.3) / most),
    ...(zeros === "bytes" && { zeroPoint: bytes(count) }),
    ...(zeros === "real" && { zeroPoint: reals(count, () => random() * most) }),
    x: reals(m * columns, () => random() * 4 - 2),
  };
}

/** y of ONNX Runtime, multiplied in f32. */
async function runOrt(ort, item) {
  const { m, rows, columns, blockSize, blocks, bits, values, scale, zeroPoint, x } = item;
  const isReal = zeroPoint instanceof Float32Array;
  const dims = bits === 8 || isReal ? [rows * blocks] : [zeroPoint?.length];
  const bytes = onnxModel({
    nodes: [
      {
        ...{ op: "MatMulNBits", domain: "com.microsoft", outputs: ["y"] },
        inputs: ["x", "b", "scales", ...(zeroPoint ? ["zeros"] : [])],
        attributes: { K: columns, N: rows, bits, block_size: blockSize, accuracy_level: 1 },
      },
    ],
    inputs: { x: { type: "f32", dims: [m, columns] } },
    outputs: { y: { type: "f32", dims: [m, rows] } },
    initializers: {
      b: { type: "u8", dims: [rows, blocks, (blockSize * bits) / 8], data: values },
      scales: { type: "f32", dims: [rows * blocks], data: scale },
      ...(zeroPoint && { zeros: { type: isReal ? "f32" : "u8", dims, data: zeroPoint } }),
    },
    version: 21,
  });
  const session = await ort.InferenceSession.create(new Uint8Array(bytes), {
    logSeverityLevel: 3,
  });
  const { y } = await session.run({ x: new ort.Tensor("float32", x, [m, columns]) });
  await session.release();
  return y.data;
}

/** Σ |x · w| of each value: what rounding of sums is measured by. */
function magnitudes({ m, rows, columns, blockSize, blocks, bits, values, scale, zeroPoint, x }) {
  const sums = new Float64Array(m * rows);
  for (let j = 0; j < rows; j++) {
    for (let k = 0; k < columns; k++) {
      const block = j * blocks + Math.floor(k / blockSize);
      const at = j * blocks * blockSize + k;
      const code = bits === 8 ? values[at] : (values[at >> 1] >> (4 * (at & 1))) & 15;
      const zero = zeroPoint ? zeroPoint[block] : 2 ** (bits - 1);
      const size = (Math.abs(code) + Math.abs(zero)) * Math.abs(scale[block]);
      for (let i = 0; i < m; i++) sums[i * rows + j] += Math.abs(x[i * columns + k]) * size;
    }
  }
  return sums;
}

async function compare(ort, bytelane, shapes) {
  const { createBytelane, createLinear, linear } = bytelane;
  const instance = await createBytelane();
  const figures = {
    nbitsShapes: shapes,
    nbitsDiffer: 0,
    nbitsDynamicError: 0,
    nbitsDynamicMean: 0,
  };
  for (let at = 0; at < shapes; at++) {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${at} of ${shapes} shapes`);
    const item = drawCase(at);
    const { rows, columns, blockSize, bits, values, scale, zeroPoint, x } = item;
    const wanted = await runOrt(ort, item);
    const weights = { outFeatures: rows, inFeatures: columns, blockSize, bits, values, scale };
    const options = { format: "int4", weights: { ...weights, ...(zeroPoint && { zeroPoint }) } };
    const exact = createLinear(instance, { ...options, activations: "f32" });
    const dynamic = createLinear(instance, options);
    const [y, z] = [linear(exact, x), linear(dynamic, x)];
    exact.dispose();
    dynamic.dispose();
    const sizes = magnitudes(item);
    let largest = 0;
    let error = 0;
    for (let i = 0; i < y.length; i++) {
      if (!(Math.abs(y[i] - wanted[i]) <= 1e-4 * sizes[i] + 1e-5)) figures.nbitsDiffer++;
      largest = Math.max(largest, Math.abs(wanted[i]));
      error = Math.max(error, Math.abs(z[i] - wanted[i]));
    }
    const part = error / (largest || 1);
    figures.nbitsDynamicError = Math.max(figures.nbitsDynamicError, part);
    figures.nbitsDynamicMean += part / shapes;
  }
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  return figures;
}

try {
  const { values } = parseArgs({
    options: {
      shapes: { type: "string", default: "200" },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) console.log(HELP);
  else {
    const folder = path.join(cache, "node_modules", "onnxruntime-node");
    const { version } = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
    const require = createRequire(path.join(cache, "package.json"));
    const module = await import(pathToFileURL(require.resolve("onnxruntime-node")).href);
    const bytelane = await import(pathToFileURL(path.join(root, "dist", "index.js")).href);
    const figures = await compare(module.default ?? module, bytelane, Number(values.shapes));
    console.log(`onnxruntime-node ${version}`);
    console.table(figures);
    if (values.json) writeFileSync(values.json, `${JSON.stringify({ figures })}\n`);
  }
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
