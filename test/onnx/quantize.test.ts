import { beforeAll, expect, it } from "vitest";
import { type Bytelane, createBytelane } from "../../src/entries/index.ts";
import { onnxReportTable, quantizeOnnx } from "../../src/onnx/index.ts";
import { decodeModel } from "../../src/onnx/model.ts";
import type { NodeProto, TensorProto } from "../../src/onnx/onnx_pb.ts";
import * as oracle from "../reference/matmul-nbits.ts";
import * as file from "../support/onnx.ts";
import { noise } from "../support/samples.ts";

let b: Bytelane;
beforeAll(async () => {
  b = await createBytelane();
});

const reals = (count: number): number[] => {
  const { integer } = noise(count);
  return Array.from({ length: count }, () => Math.fround(integer(-999, 999) / 700));
};

/** The nodes and tensors of a model, by name. */
function open(model: Uint8Array) {
  const { graph, irVersion, opsetImport } = decodeModel(model);
  const tensors = new Map(graph!.initializer.map((each) => [each.name, each]));
  return { nodes: graph!.node, tensors, irVersion, opsetImport, graph: graph! };
}

const ops = (nodes: readonly NodeProto[]) => nodes.map(({ opType }) => opType);
const ints = (node: NodeProto) =>
  Object.fromEntries(node.attribute.map(({ name, i }) => [name, Number(i)]));
const bytes = (tensor: TensorProto | undefined) => [...(tensor?.rawData ?? [])];
const floatsOf = (tensor: TensorProto | undefined) =>
  new Float32Array(new Uint8Array(tensor?.rawData ?? []).buffer);

/** MatMul [1, K] × [K, N]. */
function matmul(k: number, n: number, weights = reals(k * n)) {
  return {
    weights,
    model: file.model({
      nodes: [file.node("MatMul", ["x", "w"], ["y"])],
      tensors: [file.tensor("w", 1, [k, n], file.floats(weights))],
    }),
  };
}

it.each([
  [4, 32, "symmetric"],
  [4, 16, "asymmetric"],
  [8, 64, "symmetric"],
  [8, 32, "asymmetric"],
] as const)(
  "MatMul to MatMulNBits: %i bits, blocks of %i, %s, to the bit",
  async (bits, blockSize, scheme) => {
    const [k, n] = [70, 24];
    const { model, weights } = matmul(k, n);
    const options = { bits, blockSize, scheme, method: "nearest" } as const;
    const result = await quantizeOnnx(b, model, options);
    const { nodes, tensors, opsetImport } = open(result.model);
    expect(ops(nodes)).toEqual(["MatMulNBits"]);
    expect(nodes[0].domain).toBe("com.microsoft");
    expect(ints(nodes[0])).toEqual({ K: k, N: n, bits, block_size: blockSize });
    expect(opsetImport.map(({ domain, version }) => [domain, version])).toContainEqual([
      "com.microsoft",
      1n,
    ]);
    const [x, values, scales, zeros] = nodes[0].input;
    expect(x).toBe("x");
    const columns = Array.from({ length: n }, (_, j) => {
      const column = Array.from({ length: k }, (_, i) => weights[i * n + j]);
      const one = oracle.quantizeColumn(column, bits, blockSize, scheme === "asymmetric");
      return { ...one, ...oracle.packColumn(one, bits, blockSize) };
    });
    const blocks = Math.ceil(k / blockSize);
    expect(tensors.get(values)?.dims.map(Number)).toEqual([n, blocks, (blockSize * bits) / 8]);
    expect(bytes(tensors.get(values))).toEqual(columns.flatMap((one) => one.values));
    expect([...floatsOf(tensors.get(scales))]).toEqual(columns.flatMap((one) => one.scales));
    if (scheme === "asymmetric")
      expect(bytes(tensors.get(zeros))).toEqual(columns.flatMap((one) => one.zeroPoints));
    else expect(zeros).toBeUndefined();
    expect(tensors.has("w")).toBe(false);
    const [report] = result.report.tensors;
    expect(report).toMatchObject({
      name: "w",
      operators: ["MatMul"],
      shape: [k, n],
      reason: undefined,
    });
    expect(report.stored).toBe(`MatMulNBits ${bits} bits, blocks of ${blockSize}`);
    expect(report.sqnr).toBeGreaterThan(bits === 4 ? 15 : 35);
    const inside = [values, scales, zeros].reduce(
      (sum, name) => sum + (tensors.get(name)?.rawData?.length ?? 0),
      0,
    );
    expect(report.bytes).toBe(inside);
  },
);

it("Gemm in either orientation gives the same codes, and keeps what it adds", async () => {
  const [k, n] = [64, 32];
  const weights = reals(k * n);
  const turned = Array.from({ length: k * n }, (_, i) => weights[(i % k) * n + Math.floor(i / k)]);
  const bias = file.tensor("c", 1, [n], file.floats(reals(n)));
  const build = (dims: readonly number[], values: readonly number[], transB: number) =>
    file.model({
      nodes: [file.node("Gemm", ["x", "w", "c"], ["y"], [file.attribute("transB", transB)])],
      tensors: [file.tensor("w", 1, dims, file.floats(values)), bias],
    });
  const one = open((await quantizeOnnx(b, build([k, n], weights, 0))).model);
  const other = open((await quantizeOnnx(b, build([n, k], turned, 1))).model);
  for (const { nodes, tensors } of [one, other]) {
    expect(ops(nodes)).toEqual(["MatMulNBits", "Add"]);
    expect(nodes[1].input).toEqual([nodes[0].output[0], "c"]);
    expect(nodes[1].output).toEqual(["y"]);
    expect(bytes(tensors.get("w_q4"))).toEqual(bytes(one.tensors.get("w_q4")));
  }
});

it.each([
  [13, "", 8],
  [9, "com.microsoft", 8],
  [21, "", 4],
  [11, "com.microsoft", 4],
] as const)(
  "Conv at operator set %i: DequantizeLinear of %j, %i bits",
  async (opset, domain, bits) => {
    const dims = [16, 12, 3, 3];
    const weights = reals(16 * 108);
    const model = file.model(
      {
        nodes: [file.node("Conv", ["x", "w"], ["y"])],
        tensors: [file.tensor("w", 1, dims, file.floats(weights))],
      },
      { opset },
    );
    const { nodes, tensors, irVersion } = open((await quantizeOnnx(b, model, { bits })).model);
    const [dequantize, ...rest] = nodes;
    expect(dequantize.opType).toBe("DequantizeLinear");
    expect(dequantize.domain ?? "").toBe(domain);
    expect(ints(dequantize)).toEqual({ axis: 0 });
    const [q, s] = dequantize.input.map((name) => tensors.get(name)!);
    const scales = floatsOf(s);
    expect(rest.at(-1)).toMatchObject({ opType: "Conv", input: ["x", "w"], output: ["y"] });
    let codes = [...new Int8Array(bytes(q))];
    if (bits === 4) {
      expect(irVersion).toBe(10n);
      expect(q.dims.map(Number)).toEqual([(16 * 108) / 27, 27]);
      expect(rest[0]).toMatchObject({ opType: "Reshape", output: ["w"] });
      codes = bytes(q).flatMap((byte) => [(byte << 28) >> 28, (byte << 24) >> 28]);
    }
    const per = weights.length / scales.length;
    weights.forEach((weight, i) => {
      const scale = scales[Math.floor(i / per)];
      expect(Math.abs(codes[i] * scale - weight)).toBeLessThan(Math.abs(scale) * 1.3);
    });
  },
);

it("a 1 × 1 Conv may become MatMulNBits between transpositions", async () => {
  const model = file.model({
    nodes: [file.node("Conv", ["x", "w", "c"], ["y"])],
    tensors: [
      file.tensor("w", 1, [32, 64, 1, 1], file.floats(reals(2048))),
      file.tensor("c", 1, [32], file.floats(reals(32))),
    ],
  });
  const { nodes } = open((await quantizeOnnx(b, model, { pointwise: "matmul" })).model);
  expect(ops(nodes)).toEqual(["Transpose", "MatMulNBits", "Add", "Transpose"]);
  expect(nodes.at(-1)?.output).toEqual(["y"]);
});

it.each([4, 8] as const)("an embedding to GatherBlockQuantized of %i bits", async (bits) => {
  const weights = reals(40 * 64);
  const model = file.model({
    nodes: [file.node("Gather", ["t", "x"], ["y"])],
    tensors: [file.tensor("t", 1, [40, 64], file.floats(weights))],
  });
  const { nodes, tensors } = open(
    (await quantizeOnnx(b, model, { bits, method: "nearest" })).model,
  );
  expect(ops(nodes)).toEqual(["GatherBlockQuantized"]);
  const [table, ids, scales] = nodes[0].input;
  expect(ids).toBe("x");
  const size = bits === 4 ? 32 : 128;
  const rows = Array.from({ length: 40 }, (_, r) =>
    oracle.quantizeColumn(weights.slice(r * 64, r * 64 + 64), bits, size, false),
  );
  expect([...floatsOf(tensors.get(scales))]).toEqual(rows.flatMap((row) => row.scales));
  const codes = rows.flatMap((row) => row.codes);
  const packed = codes.flatMap((code, i) =>
    i % 2 === 0 ? [((code - 8) & 15) | (((codes[i + 1] - 8) & 15) << 4)] : [],
  );
  expect(bytes(tensors.get(table))).toEqual(bits === 4 ? packed : codes);
});

it("f16 with the Cast that f32 activations need", async () => {
  const { model, weights } = matmul(64, 32);
  const { nodes, tensors } = open((await quantizeOnnx(b, model, { bits: 16 })).model);
  expect(ops(nodes)).toEqual(["Cast", "MatMul"]);
  expect(nodes[0].output).toEqual(["w"]);
  expect(ints(nodes[0])).toEqual({ to: 1 });
  expect(tensors.get(nodes[0].input[0])?.rawData?.length).toBe(weights.length * 2);
});

it("weights in Constant nodes, shared weights, and weights that something else reads too", async () => {
  const w = file.tensor("", 1, [64, 32], file.floats(reals(2048)));
  const model = file.model({
    nodes: [
      file.node("Constant", [], ["w"], [file.attribute("value", w)]),
      file.node("MatMul", ["x", "w"], ["a"]),
      file.node("MatMul", ["x2", "w"], ["b"]),
      file.node("Add", ["a", "b"], ["y"]),
    ],
    inputs: ["x", "x2"],
  });
  const { nodes, tensors } = open((await quantizeOnnx(b, model)).model);
  expect(ops(nodes)).toEqual(["MatMulNBits", "MatMulNBits", "Add"]);
  expect(nodes[0].input.slice(1)).toEqual(nodes[1].input.slice(1));
  expect(tensors.size).toBe(2);
});

it("leaves what others read, and says so by keeping it", async () => {
  const model = file.model({
    nodes: [file.node("MatMul", ["x", "w"], ["y"]), file.node("Neg", ["w"], ["z"])],
    tensors: [file.tensor("w", 1, [64, 32], file.floats(reals(2048)))],
    outputs: ["y", "z"],
  });
  const { nodes, tensors } = open((await quantizeOnnx(b, model)).model);
  expect(ops(nodes)).toEqual(["MatMulNBits", "Neg"]);
  expect(tensors.has("w")).toBe(true);
});

const left = async (weights: readonly number[], options = {}, dims = [64, 32]) => {
  const model = file.model({
    nodes: [file.node("MatMul", ["x", "w"], ["y"])],
    tensors: [file.tensor("w", 1, dims, file.floats(weights))],
  });
  const { report, model: bytes } = await quantizeOnnx(b, model, options);
  expect(ops(open(bytes).nodes)).toEqual(["MatMul"]);
  expect(report.tensors[0].stored).toBeUndefined();
  return report.tensors[0].reason;
};

it("leaves weights in float, with the reason", async () => {
  const good = reals(2048);
  expect(await left([...good.slice(1), Number.NaN])).toBe("holds NaN or Infinity");
  expect(await left([...good.slice(1), Number.POSITIVE_INFINITY])).toBe("holds NaN or Infinity");
  expect(await left(good.map(() => 1e-41))).toBe("magnitudes below those of normal f32");
  expect(await left([...good.slice(1), 7e4], { bits: 16 })).toBe(
    "holds values beyond the range of f16",
  );
  expect(await left(good, { minElements: 4096 })).toBe("fewer than 4096 elements");
  expect(await left(good, { tensors: { w: { bits: 32 } } })).toBe("the options leave it in float");
  expect(await left(good, {}, [2, 32, 32])).toBe("MatMul weights of 3 dimensions");
});

it("leaves an initializer that callers may replace, but not one of format 3", async () => {
  const build = (ir: number) =>
    file.model(
      {
        nodes: [file.node("MatMul", ["x", "w"], ["y"])],
        tensors: [file.tensor("w", 1, [64, 32], file.floats(reals(2048)))],
        inputs: ["x", "w"],
      },
      { ir },
    );
  const kept = await quantizeOnnx(b, build(8));
  expect(kept.report.tensors[0].reason).toBe("an input of the graph, which a caller may replace");
  const old = open((await quantizeOnnx(b, build(3))).model);
  expect(ops(old.nodes)).toEqual(["MatMulNBits"]);
  expect(old.graph.input.map(({ name }) => name)).toEqual(["x"]);
  expect(old.irVersion).toBe(4n);
});

it("new names stay away from those of the file", async () => {
  const taken = ["w_q4", "w_scales"].map((name) => file.tensor(name, 1, [1], file.floats([1])));
  const model = file.model({
    nodes: [
      file.node("MatMul", ["x", "w"], ["a"]),
      file.node("Add", ["a", "w_q4"], ["b"]),
      file.node("Add", ["b", "w_scales"], ["y"]),
    ],
    tensors: [file.tensor("w", 1, [64, 32], file.floats(reals(2048))), ...taken],
  });
  const { nodes, tensors } = open((await quantizeOnnx(b, model)).model);
  expect(nodes[0].input).toEqual(["x", "w_q4_1", "w_scales_1"]);
  expect(tensors.get("w_q4")?.rawData?.length).toBe(4);
});

it("weights inside the branches of If, and constants around them", async () => {
  const branch = (name: string, tensors: readonly file.Bytes[]) =>
    file.graph({
      nodes: [file.node("MatMul", ["x", name], ["z"])],
      tensors,
      inputs: [],
      outputs: ["z"],
    });
  const own = file.tensor("v", 1, [64, 32], file.floats(reals(2048)));
  const attribute = (name: string, graph: file.Bytes) =>
    file.concat(file.field(1, name), file.field(6, graph), file.field(20, 5));
  const model = file.model({
    nodes: [
      file.node(
        "If",
        ["c"],
        ["y"],
        [attribute("then_branch", branch("w", [])), attribute("else_branch", branch("v", [own]))],
      ),
    ],
    tensors: [file.tensor("w", 1, [64, 32], file.floats(reals(2048)))],
    inputs: ["c", "x"],
  });
  const { nodes, tensors } = open((await quantizeOnnx(b, model)).model);
  const [then, other] = nodes[0].attribute.map(({ g }) => g!);
  expect(ops(then.node)).toEqual(["MatMulNBits"]);
  expect([...tensors.keys()]).toEqual(["w_q4", "w_scales"]);
  expect(other.initializer.map(({ name }) => name)).toEqual(["v_q4", "v_scales"]);
});

it("external data come from a source and go to a file, or inside", async () => {
  const weights = file.floats(reals(2048));
  const other = file.floats(reals(1024));
  const entry = (key: string, value: string) =>
    file.field(13, file.concat(file.field(1, key), file.field(2, value)));
  const outside = (name: string, dims: readonly number[], offset: number) =>
    file.concat(
      ...dims.map((dim) => file.field(1, dim)),
      ...[file.field(2, 1), file.field(8, name), entry("location", "m.data")],
      ...[entry("offset", String(offset)), file.field(14, 1)],
    );
  const model = file.model({
    nodes: [file.node("MatMul", ["x", "w"], ["a"]), file.node("Mul", ["a", "o"], ["y"])],
    tensors: [outside("w", [64, 32], 0), outside("o", [32, 32], weights.length)],
  });
  const source = { model, externalData: () => file.concat(weights, other) };
  const inside = open((await quantizeOnnx(b, source)).model);
  expect(bytes(inside.tensors.get("o"))).toEqual([...other]);
  const result = await quantizeOnnx(b, source, { externalData: "q.data" });
  const file2 = file.concat(...result.externalData);
  const { tensors } = open(result.model);
  const o = Object.fromEntries(
    tensors.get("o")!.externalData.map(({ key, value }) => [key, value]),
  );
  expect(o.location).toBe("q.data");
  const at = Number(o.offset);
  expect(at % 64).toBe(0);
  expect([...file2.subarray(at, at + Number(o.length))]).toEqual([...other]);
});

it("says how far it is, and stops", async () => {
  const { model } = matmul(64, 32);
  const seen: string[] = [];
  await quantizeOnnx(b, model, {
    onProgress: ({ stage, done, total }) => seen.push(`${stage} ${done}/${total}`),
  });
  expect(seen).toEqual(["quantize 1/1"]);
  const signal = AbortSignal.abort(new Error("enough"));
  await expect(quantizeOnnx(b, model, { signal })).rejects.toThrow("enough");
});

it("uses a runner's activations for gptq", async () => {
  const { model, weights } = matmul(64, 32);
  const { integer } = noise(5);
  const mixing = Float32Array.from({ length: 4 * 64 }, () => integer(-9, 9));
  const rows = Array.from({ length: 200 }, () => {
    const a = [0, 1, 2, 3].map(() => integer(-9, 9));
    return Float32Array.from({ length: 64 }, (_, k) =>
      a.reduce((sum, c, i) => sum + c * mixing[i * 64 + k], 0),
    );
  });
  const feeds = rows.map((data) => ({ x: { dims: [1, 64], data } }));
  let released = 0;
  const runner = () => ({
    run: (feed: object) => feed as never,
    release: () => released++,
  });
  const loss = async (options: object) => {
    const { nodes, tensors } = open((await quantizeOnnx(b, model, options)).model);
    const codes = bytes(tensors.get(nodes[0].input[1])).flatMap((byte) => [byte & 15, byte >> 4]);
    const scales = floatsOf(tensors.get(nodes[0].input[2]));
    let sum = 0;
    for (const x of rows) {
      for (let n = 0; n < 32; n++) {
        let error = 0;
        for (let k = 0; k < 64; k++) {
          error +=
            x[k] * ((codes[n * 64 + k] - 8) * scales[n * 2 + (k >> 5)] - weights[k * 32 + n]);
        }
        sum += error ** 2;
      }
    }
    return sum;
  };
  const nearest = await loss({ method: "nearest" });
  const gptq = await loss({ method: "gptq", calibration: { runner, feeds } });
  expect(released).toBe(1);
  expect(gptq).toBeLessThan(0.5 * nearest);
});

it.each([
  [{ bits: 5 }, /"options.bits" expected one of 4, 8, 16, got 5/],
  [{ bit: 4 }, /"options" expected another name, such as "bits"/],
  [{ method: "gptq" }, /"options.calibration" expected a runner and feeds, got undefined/],
  [{ mode: "static" }, /"options.calibration" expected a runner and feeds/],
  [{ mode: "dynamic", bits: 4 }, /"options.bits" expected 8 in the mode "dynamic", got 4/],
  [{ externalData: "../w" }, /"options.externalData" expected the name of a file/],
  [{ calibration: { runner: 5, feeds: [] } }, /"options.calibration.runner" expected a function/],
  [
    { calibration: { runner: () => {}, feeds: [] } },
    /"options.calibration.feeds" expected at least one/,
  ],
  [{ tensors: { w: { bits: 3 } } }, /"options.tensors\['w'\].bits" expected one of/],
])("refuses the options %j", async (options, message) => {
  await expect(quantizeOnnx(b, matmul(64, 32).model, options as never)).rejects.toThrow(message);
});

it.each([
  ["text", "model.onnx"],
  ["an array", [1, 2]],
  ["nothing", undefined],
  ["an object without a model", {}],
])("refuses %s as a source", async (_, source) => {
  await expect(quantizeOnnx(b, source as never)).rejects.toThrow(TypeError);
});

it("prints a table with a line per tensor", async () => {
  const { report } = await quantizeOnnx(b, matmul(64, 32).model);
  const lines = onnxReportTable(report).split("\n");
  expect(lines.length).toBe(2);
  expect(lines[1]).toMatch(
    /^w\s+MatMul\s+64 × 32\s+5\.00\s+1280\s+[\d.]+\s+0\.9\d+\s+MatMulNBits 4 bits, blocks of 32$/,
  );
});
