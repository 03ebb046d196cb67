import { beforeAll, expect, it } from "vitest";
import { type Bytelane, createBytelane } from "../../src/entries/index.ts";
import { type OnnxOptions, type OnnxValues, quantizeOnnx } from "../../src/onnx/index.ts";
import { decodeModel } from "../../src/onnx/model.ts";
import * as file from "../support/onnx.ts";
import { plainRunner, runModel } from "../support/run-onnx.ts";
import { noise } from "../support/samples.ts";

let b: Bytelane;
beforeAll(async () => {
  b = await createBytelane();
});

const reals = (count: number, size = 1): number[] => {
  const { integer } = noise(count);
  return Array.from({ length: count }, () => Math.fround((integer(-999, 999) / 999) * size));
};
const tensor = (name: string, dims: readonly number[], values?: readonly number[]) =>
  file.tensor(
    name,
    1,
    dims,
    file.floats(
      values ??
        reals(
          dims.reduce((a, c) => a * c, 1),
          0.3,
        ),
    ),
  );

/** Conv, BatchNormalization, Relu; depthwise Conv; 1 × 1 Conv, Add; MatMul. */
function network(opset: number): file.Bytes {
  const positive = reals(16).map((value) => Math.abs(value) + 0.5);
  const attribute = file.attribute;
  return file.model(
    {
      nodes: [
        file.node("Conv", ["x", "w1"], ["c1"], [attribute("pads", [1, 1, 1, 1])]),
        file.node("BatchNormalization", ["c1", "gamma", "beta", "mean", "variance"], ["n1"]),
        file.node("Relu", ["n1"], ["r1"]),
        file.node(
          "Conv",
          ["r1", "w2"],
          ["c2"],
          [attribute("group", 16), attribute("pads", [1, 1, 1, 1])],
        ),
        file.node("Conv", ["c2", "w3"], ["c3"], [attribute("strides", [1, 2])]),
        file.node("Add", ["c3", "b3"], ["a3"]),
        file.node("MatMul", ["a3", "w4"], ["y"]),
      ],
      tensors: [
        tensor("w1", [16, 3, 3, 3]),
        ...[tensor("gamma", [16], positive), tensor("beta", [16]), tensor("mean", [16])],
        tensor("variance", [16], positive),
        ...[tensor("w2", [16, 1, 3, 3]), tensor("w3", [24, 16, 1, 1]), tensor("b3", [1, 24, 1, 1])],
        tensor("w4", [4, 32]),
      ],
    },
    { opset },
  );
}

const feed = (seed: number): OnnxValues => {
  const { integer } = noise(seed);
  const data = Float32Array.from({ length: 3 * 8 * 8 }, () => integer(-999, 999) / 500);
  return { x: { dims: [1, 3, 8, 8], data } };
};
const feeds = [1, 2, 3, 4, 5, 6].map(feed);
const calibration = { runner: plainRunner, feeds };

async function lossOf(model: Uint8Array, options: OnnxOptions) {
  const result = await quantizeOnnx(b, model, { minElements: 0, ...options });
  let [noiseSum, signal] = [0, 0];
  for (const x of [7, 8, 9].map(feed)) {
    const wanted = await runModel(model, x);
    const got = await runModel(result.model, x);
    wanted.forEach((value, i) => {
      noiseSum += (value - got[i]) ** 2;
      signal += value ** 2;
    });
  }
  const { graph, opsetImport } = decodeModel(result.model);
  const opset = Number(opsetImport[0].version);
  const ops = graph!.node.map(({ opType }) => opType);
  const reasons = new Map(result.report.tensors.map(({ name, reason }) => [name, reason]));
  return { sqnr: 10 * Math.log10(signal / noiseSum), ops, opset, reasons, report: result.report };
}

it.each([
  [{ bits: 8 }, 35],
  [{ bits: 4, blockSize: 16 }, 14],
  [{ bits: 4, blockSize: 16, scheme: "asymmetric" }, 14],
  [{ bits: 4, blockSize: 16, method: "gptq", calibration }, 14],
  [{ bits: 4, pointwise: "matmul" }, 14],
  [{ mode: "dynamic" }, 30],
  [{ mode: "dynamic", weightBits: 7 }, 25],
  [{ mode: "static", calibration, sensitive: 1 }, 28],
  [{ mode: "static", calibration, sensitive: 1, depthwise: "quantize" }, 25],
  [{ mode: "static", calibration, sensitive: 1, activations: { method: "minmax" } }, 28],
  [{ plan: { bitsPerWeight: 10 }, calibration }, 20],
] as [OnnxOptions, number][])("computes what the float model does: %o", async (options, least) => {
  for (const opset of [9, 13]) {
    const { sqnr } = await lossOf(network(opset), options);
    expect(sqnr).toBeGreaterThan(least);
  }
});

it("dynamic: raises old operator sets, and runs Conv and MatMul in 8 bits", async () => {
  const { ops, opset, report } = await lossOf(network(9), { mode: "dynamic" });
  expect(opset).toBe(11);
  expect(report.notes).toEqual(["the operator set was raised from 9 to 11"]);
  expect(ops.filter((op) => op === "ConvInteger").length).toBe(3);
  expect(ops.filter((op) => op === "DynamicQuantizeMatMul").length).toBe(1);
  expect(ops.includes("MatMul")).toBe(false);
});

it("dynamic: leaves Conv where the operator set cannot be raised", async () => {
  const model = file.model(
    {
      nodes: [
        file.node("Conv", ["x", "w"], ["c"]),
        file.node("Upsample", ["c", "s"], ["u"]),
        file.node("MatMul", ["u", "m"], ["y"]),
      ],
      tensors: [tensor("w", [4, 3, 1, 1]), tensor("m", [8, 4]), tensor("s", [4], [1, 1, 1, 1])],
    },
    { opset: 9 },
  );
  const { report, model: bytes } = await quantizeOnnx(b, model, {
    mode: "dynamic",
    minElements: 0,
  });
  expect(report.notes).toEqual([
    "the operator set could not be raised to 11: operator set 9, whose Upsample changed in 10",
  ]);
  expect(report.tensors[0].reason).toBe("operator set 9 has no DynamicQuantizeLinear");
  const ops = decodeModel(bytes).graph!.node.map(({ opType }) => opType);
  expect(ops).toEqual(["Conv", "Upsample", "DynamicQuantizeMatMul"]);
});

it("rewrites what changed between operator sets 9 and 11", async () => {
  const model = file.model(
    {
      nodes: [
        file.node(
          "Slice",
          ["x"],
          ["s"],
          [file.attribute("starts", [1]), file.attribute("ends", [3]), file.attribute("axes", [2])],
        ),
        file.node(
          "Clip",
          ["s"],
          ["c"],
          [file.concat(file.field(1, "max"), [0x15, 0, 0, 0xc0, 0x40], file.field(20, 1))],
        ),
        file.node("Pad", ["c"], ["p"], [file.attribute("pads", [0, 0, 0, 1, 0, 0, 0, 1])]),
        file.node("Conv", ["p", "w"], ["y"]),
      ],
      tensors: [tensor("w", [4, 3, 1, 1])],
    },
    { opset: 9 },
  );
  const result = await quantizeOnnx(b, model, { mode: "dynamic", minElements: 0 });
  const { graph } = decodeModel(result.model);
  const data = new Map(graph!.initializer.map(({ name, rawData }) => [name, rawData!]));
  const integers = (name: string) =>
    Array.from(new BigInt64Array(data.get(name)!.slice().buffer), Number);
  const [slice, clip, pad] = graph!.node;
  expect(slice.input.slice(1).map(integers)).toEqual([[1], [3], [2]]);
  expect(slice.attribute).toEqual([]);
  expect(clip.input[1]).toBe("");
  expect([...new Float32Array(data.get(clip.input[2])!.slice().buffer)]).toEqual([6]);
  expect(integers(pad.input[1])).toEqual([0, 0, 0, 1, 0, 0, 0, 1]);
});

it("static: folds what is linear, names what stays in float, and quantizes around Relu", async () => {
  const { ops, opset, reasons } = await lossOf(network(9), {
    mode: "static",
    calibration,
    sensitive: 1,
  });
  expect(opset).toBe(10);
  expect(ops).not.toContain("BatchNormalization");
  expect(ops).not.toContain("Add");
  expect(reasons.get("w2")).toBe("depthwise, left in float");
  const relu = ops.indexOf("Relu");
  expect(ops.slice(relu - 1, relu + 3)).toEqual([
    "Conv",
    "Relu",
    "QuantizeLinear",
    "DequantizeLinear",
  ]);
});

it("static: the layers that lose the most stay in float, and the report says how much", async () => {
  const all = await lossOf(network(13), { mode: "static", calibration, sensitive: 1 });
  const half = await lossOf(network(13), { mode: "static", calibration, sensitive: 0.3 });
  const reasons = [...half.reasons.values()].filter((reason) => reason?.startsWith("sensitive"));
  expect(reasons.length).toBeGreaterThan(0);
  expect(reasons[0]).toMatch(/^sensitive: \d+\.\d % of the loss of all layers$/);
  expect(half.sqnr).toBeGreaterThan(all.sqnr);
  const none = await lossOf(network(13), { mode: "static", calibration, sensitive: 0 });
  expect(none.ops).not.toContain("QuantizeLinear");
});

it("static: weights that layers share are written once", async () => {
  const model = file.model({
    nodes: [file.node("MatMul", ["x", "w"], ["h"]), file.node("MatMul", ["h", "w"], ["y"])],
    tensors: [tensor("w", [8, 8])],
  });
  const { graph } = decodeModel(
    (await quantizeOnnx(b, model, { mode: "static", calibration, sensitive: 1, minElements: 0 }))
      .model,
  );
  expect(graph!.initializer.filter(({ dataType }) => dataType === 3).length).toBe(2);
});

it("static: bias correction brings the mean of outputs nearer", async () => {
  // weights that 8 bits round badly: one large one per channel
  const weights = reals(24 * 16, 0.01).map((value, i) => (i % 16 === 0 ? 4 : value + 0.006));
  const model = file.model({
    nodes: [file.node("Conv", ["x", "w"], ["y"])],
    tensors: [file.tensor("w", 1, [24, 16, 1, 1], file.floats(weights))],
  });
  const positive = (seed: number): OnnxValues => {
    const { integer } = noise(seed);
    const data = Float32Array.from({ length: 16 * 64 }, () => integer(0, 999) / 500);
    return { x: { dims: [1, 16, 8, 8], data } };
  };
  const options = { mode: "static", sensitive: 1, minElements: 0 } as const;
  const own = { runner: plainRunner, feeds: [1, 2, 3].map(positive) };
  const drift = async (biasCorrection: boolean) => {
    const result = await quantizeOnnx(b, model, { ...options, calibration: own, biasCorrection });
    const x = positive(9);
    const [wanted, got] = [await runModel(model, x), await runModel(result.model, x)];
    let sum = 0;
    for (let c = 0; c < 24; c++) {
      const mean = (list: Float32Array) =>
        list.subarray(c * 64, c * 64 + 64).reduce((total, value) => total + value, 0) / 64;
      sum += Math.abs(mean(wanted) - mean(got));
    }
    return sum;
  };
  expect(await drift(true)).toBeLessThan(0.5 * (await drift(false)));
});

it("a plan spends its bytes where the loss is", async () => {
  const bytes = async (options: OnnxOptions) =>
    (await lossOf(network(13), { calibration, ...options })).report;
  const tight = await bytes({ plan: { bitsPerWeight: 9 } });
  const wide = await bytes({ plan: { bitsPerWeight: 12 } });
  const weights = ["w1", "w2", "w3", "w4"];
  const taken = (report: typeof tight) =>
    report.tensors
      .filter(({ name }) => weights.includes(name))
      .reduce((sum, each) => sum + each.bytes, 0);
  const count = 16 * 27 + 16 * 9 + 24 * 16 + 4 * 32;
  expect(taken(wide)).toBeLessThanOrEqual((12 * count) / 8);
  expect(taken(tight)).toBeLessThan(taken(wide));
  await expect(bytes({ plan: { budgetBytes: 10 } })).rejects.toThrow(
    /"options.plan" expected at least \d+ bytes, [\d.]+ bits per weight, got 10/,
  );
});
