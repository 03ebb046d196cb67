/**
 * Makes the golden vectors of block formats by running ONNX Runtime:
 *
 *     node scripts/golden/blocks.mjs [--json FILE]
 *
 *   quantize, dequantize   QuantizeLinear and DequantizeLinear with block_size
 *   weights                what MatMulNBits makes of its blobs: its product with the unit matrix
 *   product                MatMulNBits with bias; at accuracy level 4 it quantizes x in own blocks
 *
 * The runtime is the one of scripts/golden/main.mjs, which installs it.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { onnxModel } from "../../tools/models/onnx.mjs";
import { createRandom } from "../../tools/random.mjs";
import { encode } from "./tensors.mjs";

const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
const cache = path.join(root, ".cache", "golden");
const target = path.join(root, "test", "golden", "blocks", "onnxruntime.golden.json");

const RANGES = { i8: [-128, 127], u8: [0, 255], i4: [-8, 7], u4: [0, 15] };
const f = Math.fround;
const count = (shape) => shape.reduce((product, size) => product * size, 1);

/** Two codes per byte, the low nibble first. */
function nibbles(codes) {
  const bytes = new Uint8Array(Math.ceil(codes.length / 2));
  codes.forEach((code, i) => {
    bytes[i >> 1] |= (code & 15) << (4 * (i & 1));
  });
  return bytes;
}

function tensorOf(dtype, dims, codes) {
  const packed = dtype === "i4" || dtype === "u4";
  const bytes = packed
    ? nibbles(codes)
    : dtype === "i8"
      ? Int8Array.from(codes)
      : Uint8Array.from(codes);
  return { type: dtype, dims, data: bytes };
}

function runner(ort) {
  return async ({ nodes, inputs, outputs, initializers }) => {
    const bytes = onnxModel({ nodes, inputs, outputs, initializers, version: 21 });
    const session = await ort.InferenceSession.create(new Uint8Array(bytes), {
      logSeverityLevel: 3,
    });
    const feeds = {};
    for (const [name, { dims, data }] of Object.entries(inputs)) {
      feeds[name] = new ort.Tensor("float32", data, dims);
    }
    const results = await session.run(feeds);
    const values = Object.keys(outputs).map((name) => results[name].data.slice());
    await session.release();
    return values;
  };
}

/** Blocks along each axis, whole and with a shorter last one, in each type. */
function blockedCases() {
  const list = [
    ["i8", [3, 64], 1, 16],
    ["u8", [3, 64], 1, 32],
    ["i4", [3, 64], 1, 16],
    ["u4", [2, 128], 1, 64],
    ["i4", [64, 5], 0, 16],
    ["u8", [2, 48, 5], 1, 16],
    ["u4", [32, 3, 4], 0, 32],
    ["i8", [4, 40], 1, 16],
    ["u4", [50, 3], 0, 32],
  ];
  return list.map(([dtype, shape, axis, blockSize], at) => {
    const random = createRandom(500 + at);
    const blocks = [...shape];
    blocks[axis] = Math.ceil(shape[axis] / blockSize);
    const [low, high] = RANGES[dtype];
    const scale = Float32Array.from({ length: count(blocks) }, () => f(0.01 + random()));
    const zeroPoint = Int32Array.from({ length: count(blocks) }, () => {
      return low + Math.floor(random() * (high - low + 1));
    });
    const inner = count(shape.slice(axis + 1));
    const x = Float32Array.from({ length: count(shape) }, (_, i) => {
      const k = Math.floor(i / inner) % shape[axis];
      const outer = Math.floor(i / inner / shape[axis]);
      const block = (outer * blocks[axis] + Math.floor(k / blockSize)) * inner + (i % inner);
      const steps = (random() - 0.5) * 1.4 * (high - low);
      return f((i % 4 === 0 ? Math.floor(steps) + 0.5 : steps) * scale[block]);
    });
    return {
      name: `${dtype}, axis ${axis} of [${shape}], blocks of ${blockSize}`,
      dtype,
      shape,
      axis,
      blockSize,
      blocks,
      scale,
      zeroPoint,
      x,
    };
  });
}

async function blocked(run) {
  const vectors = [];
  for (const item of blockedCases()) {
    const { name, dtype, shape, axis, blockSize, blocks, scale, zeroPoint, x } = item;
    const held = RANGES[dtype][0] < 0 ? "i8" : "u8";
    const initializers = {
      scale: { type: "f32", dims: blocks, data: scale },
      zero: tensorOf(dtype, blocks, zeroPoint),
    };
    const attributes = { axis, block_size: blockSize };
    // outputs of 4 bits cannot leave the runtime: a cast widens them
    const cast = {
      op: "Cast",
      inputs: ["q"],
      outputs: ["y"],
      attributes: { to: held === "i8" ? 3 : 2 },
    };
    const [q] = await run({
      nodes: [
        { op: "QuantizeLinear", inputs: ["x", "scale", "zero"], outputs: ["q"], attributes },
        cast,
      ],
      inputs: { x: { type: "f32", dims: shape, data: x } },
      outputs: { y: { type: held, dims: shape } },
      initializers,
    });
    const [real] = await run({
      nodes: [
        { op: "DequantizeLinear", inputs: ["q", "scale", "zero"], outputs: ["y0"], attributes },
        // a model needs an input
        { op: "Add", inputs: ["y0", "none"], outputs: ["y"] },
      ],
      inputs: { none: { type: "f32", dims: [1], data: Float32Array.of(-0) } },
      outputs: { y: { type: "f32", dims: shape } },
      initializers: { ...initializers, q: tensorOf(dtype, shape, q) },
    });
    const input = { dtype, shape, axis, blockSize, scale, zeroPoint, x };
    vectors.push({ operation: "blocked", name, input, expected: { q, x: real } });
  }
  return vectors;
}

function matrixCases() {
  const list = [
    [16, 8, 64, false],
    [32, 5, 64, true],
    [32, 7, 100, false],
    [64, 3, 130, true],
    [128, 4, 256, true],
    [256, 2, 300, false],
  ];
  return list.map(([blockSize, rows, columns, hasZeros], at) => {
    const random = createRandom(700 + at);
    const blocks = Math.ceil(columns / blockSize);
    const bytes = (length) => Uint8Array.from({ length }, () => Math.floor(random() * 256));
    return {
      name: `${rows} × ${columns}, blocks of ${blockSize}${hasZeros ? ", zero points" : ""}`,
      ...{ rows, columns, blockSize },
      values: bytes((rows * blocks * blockSize) / 2),
      scales: Float32Array.from({ length: rows * blocks }, () => f(random() - 0.4)),
      ...(hasZeros && { zeroPoints: bytes(rows * Math.ceil(blocks / 2)) }),
      x: Float32Array.from({ length: 3 * columns }, () => f(random() * 4 - 2)),
      bias: Float32Array.from({ length: rows }, () => f(random() * 10 - 5)),
    };
  });
}

async function matrices(run) {
  const vectors = [];
  for (const item of matrixCases()) {
    const { name, rows, columns, blockSize, values, scales, zeroPoints, x, bias } = item;
    const blocks = Math.ceil(columns / blockSize);
    const multiply = async (left, m, level, withBias) => {
      const initializers = {
        b: { type: "u8", dims: [rows, blocks, blockSize / 2], data: values },
        scales: { type: "f32", dims: [rows * blocks], data: scales },
        ...(zeroPoints && { zeros: { type: "u8", dims: [zeroPoints.length], data: zeroPoints } }),
        ...(withBias && { bias: { type: "f32", dims: [rows], data: bias } }),
      };
      const [y] = await run({
        nodes: [
          {
            op: "MatMulNBits",
            domain: "com.microsoft",
            inputs: [
              "x",
              "b",
              "scales",
              zeroPoints ? "zeros" : "",
              ...(withBias ? ["", "bias"] : []),
            ],
            outputs: ["y"],
            attributes: {
              K: columns,
              N: rows,
              bits: 4,
              block_size: blockSize,
              accuracy_level: level,
            },
          },
        ],
        inputs: { x: { type: "f32", dims: [m, columns], data: left } },
        outputs: { y: { type: "f32", dims: [m, rows] } },
        initializers,
      });
      return y;
    };
    const unit = new Float32Array(columns * columns);
    for (let k = 0; k < columns; k++) unit[k * columns + k] = 1;
    const { name: _, x: __, bias: ___, ...matrix } = item;
    const transposed = await multiply(unit, columns, 1, false);
    const weights = Float32Array.from(
      { length: rows * columns },
      (_, i) => transposed[(i % columns) * rows + Math.floor(i / columns)],
    );
    vectors.push({ operation: "weights", name, input: matrix, expected: { weights } });
    const y = await multiply(x, 3, 1, true);
    vectors.push({ operation: "product", name, input: { ...matrix, x, bias }, expected: { y } });
  }
  return vectors;
}

const encoded = (object) =>
  Object.fromEntries(
    Object.entries(object).map(([key, value]) => [
      key,
      ArrayBuffer.isView(value) ? encode(value) : value,
    ]),
  );

async function main(json) {
  const folder = path.join(cache, "node_modules", "onnxruntime-node");
  const { version } = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
  const require = createRequire(path.join(cache, "package.json"));
  const module = await import(pathToFileURL(require.resolve("onnxruntime-node")).href);
  const run = runner(module.default ?? module);
  const vectors = [...(await blocked(run)), ...(await matrices(run))];
  const lines = vectors.map(({ operation, name, input, expected }) => {
    const vector = { operation, name, input: encoded(input), expected: encoded(expected) };
    return `    ${JSON.stringify(vector)}`;
  });
  const reference = `onnxruntime-node ${version}`;
  const text = `{\n  "reference": "${reference}",\n  "vectors": [\n${lines.join(",\n")}\n  ]\n}\n`;
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, text);
  const figures = { reference, vectors: vectors.length, bytes: Buffer.byteLength(text) };
  console.log(`${reference}: ${figures.vectors} vectors, ${figures.bytes} bytes`);
  if (json) writeFileSync(json, `${JSON.stringify(figures)}\n`);
}

try {
  const { values } = parseArgs({ options: { json: { type: "string" } } });
  await main(values.json);
  process.exit(0);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
