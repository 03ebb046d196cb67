/** The network of upscaler.mjs as an ONNX model of f32, for other runtimes. */
import { model, node, tensor } from "../files/onnx-writer.mjs";
import { BLOCKS } from "./upscaler.mjs";

/** Weights [height, width, in, out] as ONNX has them: [out, in, height, width]. */
function outIn({ weights, shape: [height, width, inputs, outputs] }) {
  const taps = height * width;
  const ordered = new Float32Array(weights.length);
  for (let from = 0; from < weights.length; from++) {
    const [row, o] = [Math.floor(from / outputs), from % outputs];
    const [tap, i] = [Math.floor(row / inputs), row % inputs];
    ordered[(o * inputs + i) * taps + tap] = weights[from];
  }
  return { ordered, dims: [outputs, inputs, height, width] };
}

/** @param {ReturnType<typeof import("./weights.mjs").openWeights>} weights */
export function makeGraph(weights) {
  const nodes = [];
  const tensors = [];
  const put = (op, inputs, output, attributes) => {
    nodes.push(node(op, inputs, output, attributes));
    return output;
  };
  const convolve = (name, x, output = name) => {
    const { bias, ...layer } = weights.convolution(name);
    const { ordered, dims } = outIn(layer);
    const names = [`${name}.w`, `${name}.b`];
    tensors.push(tensor(names[0], dims, ordered), tensor(names[1], [bias.length], bias));
    const pad = dims[2] >> 1;
    return put("Conv", [x, ...names], output, { pads: [pad, pad, pad, pad] });
  };
  const relu = (name, x) => put("Relu", [convolve(name, x)], `${name}.relu`);
  const concat = (parts, output) => put("Concat", parts, output, { axis: 1 });
  const add = (x, y, output) => put("Add", [x, y], output);

  const first = convolve("F_m1", "x");
  let x = convolve("F_0", first);
  const results = [];
  for (let i = 1; i <= BLOCKS; i++) {
    const both = concat([x, relu(`F_${i}_1`, x)], `both${i}`);
    x = add(convolve(`LFF_${i}`, both), x, `block${i}`);
    results.push(x);
  }
  const features = convolve("GFF_2", convolve("GFF_1", concat(results, "all")));
  const hidden = relu("UPN2", relu("UPN1", add(features, first, "sum")));
  tensors.push(tensor("sizes", [4], [1, 1, 2, 2]));
  const mode = { mode: "nearest", coordinate_transformation_mode: "asymmetric" };
  const given = { ...mode, nearest_mode: "floor" };
  convolve("SR", put("Resize", [convolve("UPN3", hidden), "", "sizes"], "double", given), "y");
  return Uint8Array.from(model({ opset: 17, dims: [1, 3, "height", "width"], nodes, tensors }));
}
