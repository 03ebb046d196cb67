/**
 * Runs LiteRT.js, TensorFlow Lite in wasm. One binary holds four rules, by which kernel an operator
 * meets:
 *
 *     QUANTIZE f32, one scale        XNNPACK            multiplies, ties to even
 *     QUANTIZE f32, scale per row      TensorFlow Lite    divides, ties away from zero
 *     QUANTIZE i32 to i8             TensorFlow Lite    Q31, double rounding
 *     FULLY_CONNECTED                XNNPACK            f32, ties to even
 *     the same, weights an input     ruy                Q31, single rounding
 *
 * Its tensors in JavaScript have no i8: data come and go as u8 with the zero point moved by 128. A
 * layer whose input is nothing but its zero point hands its bias to the requantizer, any i32.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import vm from "node:vm";
import { tfliteModel } from "../../tools/models/tflite.mjs";
import * as cases from "./cases.mjs";

/** A model in which every tensor has a name. */
function model({ tensors, operators, inputs, outputs }) {
  const named = tensors.map(({ type, dims, scales, zeros, data }, i) => ({
    ...{ name: `t${i}`, type, dims, data },
    quantized: scales && { scales: [...scales], zeroPoints: [...zeros] },
  }));
  return tfliteModel({ tensors: named, operators, inputs, outputs });
}

const flip = (array, Type) => Type.from(array, (value) => value ^ 0x80);

/** f32 to u8; with one scale per row, or the same for all. */
function quantizer({ shape, scale, zeroPoint }) {
  const list = (value) => (typeof value === "number" ? [value] : value);
  return {
    tensors: [
      { type: "f32", dims: shape },
      { type: "u8", dims: shape, scales: list(scale), zeros: list(zeroPoint) },
    ],
    operators: [{ op: "QUANTIZE", inputs: [0], outputs: [1] }],
    inputs: [0],
    outputs: [1],
  };
}

/** i32 to i8 by TensorFlow Lite's own requantizer. */
function requantizer({ acc, scale, zeroPoint }) {
  const dims = [acc.length];
  return {
    tensors: [
      { type: "i32", dims, scales: [1], zeros: [0] },
      { type: "i8", dims, scales: [scale], zeros: [zeroPoint] },
      { type: "u8", dims, scales: [scale], zeros: [zeroPoint + 128] },
    ],
    operators: [
      { op: "QUANTIZE", inputs: [0], outputs: [1] },
      { op: "QUANTIZE", inputs: [1], outputs: [2] },
    ],
    inputs: [0],
    outputs: [2],
  };
}

/** A layer of one input whose products are 0: its accumulators are its bias. */
function layer({ acc, scale, zeroPoint }, constant) {
  const n = acc.length;
  const unit = { scales: [1], zeros: [0] };
  const weights = new Int8Array(n).fill(1);
  return {
    tensors: [
      { type: "u8", dims: [1, 1], scales: [1], zeros: [128] },
      { type: "i8", dims: [1, 1], ...unit },
      { type: "i8", dims: [n, 1], ...unit, ...(constant && { data: weights }) },
      { type: "i32", dims: [n], ...unit, data: acc },
      { type: "i8", dims: [1, n], scales: [scale], zeros: [zeroPoint] },
      { type: "u8", dims: [1, n], scales: [scale], zeros: [zeroPoint + 128] },
      ...(constant ? [] : [{ type: "u8", dims: [n, 1], scales: [1], zeros: [128] }]),
    ],
    operators: [
      { op: "QUANTIZE", inputs: [0], outputs: [1] },
      ...(constant ? [] : [{ op: "QUANTIZE", inputs: [6], outputs: [2] }]),
      { op: "FULLY_CONNECTED", inputs: [1, 2, 3], outputs: [4] },
      { op: "QUANTIZE", inputs: [4], outputs: [5] },
    ],
    inputs: constant ? [0] : [0, 6],
    outputs: [5],
  };
}

/** LiteRT.js is made for pages and workers: in Node its loader wants `self` and `importScripts`. */
function installLoader() {
  globalThis.self ??= globalThis;
  globalThis.importScripts ??= (file) => {
    const source = `(function (require, __filename, __dirname) {
      ${readFileSync(file, "utf8")}
      globalThis.ModuleFactory = ModuleFactory;
    })`;
    const body = vm.runInThisContext(source, { filename: file });
    body(createRequire(file), file, path.dirname(file));
  };
}

/** Keeps back the runtime's own messages (a missing GPU, its registries). */
async function quietly(work) {
  const names = ["log", "warn", "error", "info"];
  const kept = Object.fromEntries(names.map((name) => [name, console[name]]));
  for (const name of names) console[name] = () => {};
  try {
    return await work();
  } finally {
    Object.assign(console, kept);
  }
}

const WRAPS = "the zero point is added after a saturated conversion to i32, and wraps";

export async function run({ load, progress }) {
  installLoader();
  const { module, version, folder } = await load("@litertjs/core");
  await quietly(() => module.loadLiteRt(`${path.join(folder, "wasm")}/`));
  const ran = [`LiteRT.js ${version}`];

  async function execute(description, data) {
    progress("LiteRT.js");
    return quietly(async () => {
      const compiled = await module.loadAndCompile(model(description), { accelerator: "wasm" });
      const inputs = data.map(([array, dims]) => new module.Tensor(array, dims));
      const [output] = await compiled.run(inputs);
      const values = output.toTypedArray().slice();
      for (const each of [...inputs, output, compiled]) each.delete();
      return values;
    });
  }

  const vectors = [];
  const xnnpack = [`${ran} (XNNPACK)`];
  const plain = [...cases.quantizeCases, ...cases.specialCases];
  for (const item of plain.filter(({ dtype, axis }) => dtype === "u8" && axis === undefined)) {
    const q = await execute(quantizer(item), [[item.x, item.shape]]);
    const refusal = item.name === "NaN" ? "NaN becomes the greatest integer" : undefined;
    vectors.push({
      operation: "quantize",
      profile: "pytorch",
      ran: xnnpack,
      refusal,
      item,
      outputs: { q },
    });
  }
  for (const item of cases.rowCases) {
    const q = await execute(quantizer(item), [[item.x, item.shape]]);
    vectors.push({ operation: "quantize", profile: "tflite", ran, item, outputs: { q } });
  }
  for (const item of cases.specialCases.filter(({ dtype }) => dtype === "u8")) {
    const rows = { ...item, shape: [2, 9], axis: 0 };
    rows.scale = new Float32Array(2).fill(item.scale);
    rows.zeroPoint = new Int32Array(2).fill(item.zeroPoint);
    const q = await execute(quantizer(rows), [[rows.x, rows.shape]]);
    const refusal = item.name === "NaN" ? undefined : WRAPS;
    vectors.push({
      operation: "quantize",
      profile: "tflite",
      ran,
      refusal,
      item: rows,
      outputs: { q },
    });
  }
  for (const item of cases.requantizeCases) {
    const n = item.acc.length;
    const zero = Uint8Array.of(128);
    const double = await execute(requantizer(item), [[item.acc, [n]]]);
    const real = await execute(layer(item, true), [[zero, [1, 1]]]);
    const weights = new Uint8Array(n).fill(129);
    const single = await execute(layer(item, false), [
      [zero, [1, 1]],
      [weights, [n, 1]],
    ]);
    const each = { operation: "requantize", profile: "tflite" };
    const add = (rounding, by, q) =>
      vectors.push({
        ...{ ...each, ran: by, item: { ...item, rounding } },
        outputs: { q: flip(q, Int8Array) },
      });
    add("fixed-double", ran, double);
    add("fixed-single", [`${ran} (ruy)`], single);
    add("float", xnnpack, real);
  }
  return { reference: "TensorFlow Lite", vectors };
}
