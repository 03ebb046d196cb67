/**
 * Runs LiteRT.js, TensorFlow Lite in wasm. One binary holds four rules, by which kernel an operator
 * meets:
 *
 *     QUANTIZE f32, one scale        XNNPACK            multiplies, ties to even
 *     QUANTIZE f32, a scale a row    TensorFlow Lite    divides, ties away from zero
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
import * as cases from "./cases.mjs";
import { flatbuffer } from "./flatbuffer.mjs";

const ELEMENT = { f32: 0, i32: 2, u8: 3, i8: 9 };
const OPERATOR = { FULLY_CONNECTED: 9, QUANTIZE: 114 };
const FULLY_CONNECTED_OPTIONS = 8;

/** A model of the schema's version 3. The numbers are the places of the fields in their tables. */
function model({ tensors, operators, inputs, outputs }) {
  const refs = (values) => ({ kind: "ref", values });
  const ints = (values) => ({ kind: "i32", values });
  const constants = tensors.filter(({ data }) => data);
  const names = [...new Set(operators.map(({ op }) => op))];
  const buffer = (data) => ({
    fields: data
      ? [[0, "ref", { bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) }]]
      : [],
  });
  // Tensor { shape 0, type 1, buffer 2, name 3, quantization 4 { scale 2, zero_point 3,
  // quantized_dimension 6 } }
  const tensor = ({ type, dims, scales, zeros, data }, i) => ({
    fields: [
      [0, "ref", ints(dims)],
      [1, "i8", ELEMENT[type]],
      [2, "i32", data ? constants.findIndex((each) => each.data === data) + 1 : 0],
      [3, "ref", { text: `t${i}` }],
      ...(scales
        ? [
            [
              4,
              "ref",
              {
                fields: [
                  [2, "ref", { kind: "f32", values: [...scales] }],
                  [3, "ref", { kind: "i64", values: [...zeros] }],
                  [6, "i32", 0],
                ],
              },
            ],
          ]
        : []),
    ],
  });
  // Operator { opcode_index 0, inputs 1, outputs 2, builtin_options_type 3, builtin_options 4 }
  const operator = ({ op, inputs, outputs }) => ({
    fields: [
      [0, "i32", names.indexOf(op)],
      [1, "ref", ints(inputs)],
      [2, "ref", ints(outputs)],
      ...(op === "FULLY_CONNECTED"
        ? [
            [3, "i8", FULLY_CONNECTED_OPTIONS],
            [4, "ref", { fields: [] }],
          ]
        : []),
    ],
  });
  // OperatorCode { deprecated_builtin_code 0, version 2, builtin_code 3 }
  const code = (op) => ({
    fields: [
      [0, "i8", OPERATOR[op]],
      [2, "i32", 1],
      [3, "i32", OPERATOR[op]],
    ],
  });
  // Model { version 0, operator_codes 1, subgraphs 2 { tensors, inputs, outputs, operators },
  // buffers 4 }
  const subgraph = {
    fields: [
      [0, "ref", refs(tensors.map(tensor))],
      [1, "ref", ints(inputs)],
      [2, "ref", ints(outputs)],
      [3, "ref", refs(operators.map(operator))],
    ],
  };
  return flatbuffer(
    {
      fields: [
        [0, "i32", 3],
        [1, "ref", refs(names.map(code))],
        [2, "ref", refs([subgraph])],
        [4, "ref", refs([buffer(), ...constants.map(({ data }) => buffer(data))])],
      ],
    },
    "TFL3",
  );
}

const flip = (array, Type) => Type.from(array, (value) => value ^ 0x80);

/** f32 to u8; with one scale a row, or the same for all. */
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
