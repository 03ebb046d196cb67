/** Small ONNX models for the patterns that converters write, and a look at the nodes of a file. */
import { createRandom, normalOf } from "../../tools/random.mjs";
import { concat, entry, field, model, node, tensor, tensorHead } from "./onnx-writer.mjs";

/** Tensors of random values; with `outside` their data are added to that array. */
function createTensors(seed) {
  const random = createRandom(seed);
  return (name, dims, outside) => {
    const count = dims.reduce((product, size) => product * size, 1);
    const scale = Math.sqrt(2 / (count / dims[0]));
    const values = Float32Array.from({ length: count }, () => normalOf(random) * scale);
    if (!outside) return tensor(name, dims, values);
    const bytes = Buffer.from(values.buffer);
    const offset = outside.length;
    outside.push(...bytes);
    const place = { location: "graph.data", offset: String(offset), length: String(bytes.length) };
    const places = Object.entries(place).map(([key, value]) => field(13, entry(key, value)));
    return concat(tensorHead(name, dims), ...places, field(14, 1));
  };
}

/** One model per pattern: its bytes, its external data, and the dimensions of its input. */
export function makeGraphs() {
  const graphs = {};
  const image = [1, 16, 12, 12];
  const rows = [3, 64];
  for (const opset of [13, 17, 21]) {
    const random = createTensors(opset);
    graphs[`shared weights, opset ${opset}`] = {
      dims: rows,
      file: model({
        ...{ opset, dims: rows, tensors: [random("w", [64, 64])] },
        nodes: [node("MatMul", ["x", "w"], "h"), node("MatMul", ["h", "w"], "y")],
      }),
    };
    graphs[`transposed Gemm, opset ${opset}`] = {
      dims: rows,
      file: model({
        ...{ opset, dims: rows, tensors: [random("w", [48, 64]), random("b", [48])] },
        nodes: [node("Gemm", ["x", "w", "b"], "y", { transB: 1 })],
      }),
    };
    graphs[`grouped and pointwise Conv, opset ${opset}`] = {
      dims: image,
      file: model({
        ...{ opset, dims: image },
        tensors: [
          ...[random("w1", [32, 4, 3, 3]), random("b1", [32])],
          ...[random("w2", [32, 1, 3, 3]), random("w3", [48, 32, 1, 1])],
        ],
        nodes: [
          node("Conv", ["x", "w1", "b1"], "c1", { group: 4, pads: [1, 1, 1, 1] }),
          node("Relu", ["c1"], "r1"),
          node("Conv", ["r1", "w2"], "c2", { group: 32, strides: [2, 2], pads: [1, 1, 1, 1] }),
          node("Conv", ["c2", "w3"], "y"),
        ],
      }),
    };
    graphs[`embedding, opset ${opset}`] = {
      ...{ dims: [2, 5], indices: 100 },
      file: model({
        ...{ opset, dims: [2, 5], type: 7 },
        tensors: [random("t", [100, 64]), random("w", [64, 32])],
        nodes: [node("Gather", ["t", "x"], "e"), node("MatMul", ["e", "w"], "y")],
      }),
    };
  }
  const outside = [];
  const bias = createTensors(6);
  graphs["external data"] = {
    dims: rows,
    outside,
    file: model({
      ...{ opset: 17, dims: rows },
      tensors: [createTensors(5)("w", [64, 64], outside), bias("b", [1, 64])],
      nodes: [node("MatMul", ["x", "w"], "h"), node("Add", ["h", "b"], "y")],
    }),
  };
  graphs["another domain"] = {
    dims: rows,
    file: model({
      ...{ opset: 17, dims: rows, domains: ["com.microsoft"], tensors: [bias("w", [64, 64])] },
      nodes: [node("MatMul", ["x", "w"], "h"), node("Gelu", ["h"], "y", {}, "com.microsoft")],
    }),
  };
  return graphs;
}

/** The fields of a message: number and value, bytes for what is length-delimited. */
function* fields(bytes) {
  let at = 0;
  const next = () => {
    let result = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++];
      result += (byte & 127) * factor;
      if (byte < 128) return result;
    }
  };
  while (at < bytes.length) {
    const tag = next();
    const wire = tag & 7;
    if (wire === 0) yield [tag >> 3, next()];
    else {
      const size = wire === 2 ? next() : wire === 5 ? 4 : 8;
      yield [tag >> 3, bytes.subarray(at, at + size)];
      at += size;
    }
  }
}

/** Nodes of a model's graph: their operator and inputs. */
export function nodesOf(file) {
  const nodes = [];
  for (const [no, graph] of fields(file)) {
    if (no !== 7) continue;
    for (const [kind, bytes] of fields(graph)) {
      if (kind !== 1) continue;
      const one = { op: "", inputs: [] };
      for (const [what, text] of fields(bytes)) {
        if (what === 1) one.inputs.push(Buffer.from(text).toString());
        if (what === 4) one.op = Buffer.from(text).toString();
      }
      nodes.push(one);
    }
  }
  return nodes;
}
