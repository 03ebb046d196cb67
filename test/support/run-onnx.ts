/**
 * The operators that quantized files use, computed plainly in doubles, so that tests can run
 * models.
 */
import type { OnnxRunner, OnnxValues } from "../../src/onnx/index.ts";
import { decodeModel } from "../../src/onnx/model.ts";
import type { NodeProto, TensorProto } from "../../src/onnx/onnx_pb.ts";

interface Value {
  dims: number[];
  data: number[];
}

const sizeOf = (dims: readonly number[]) => dims.reduce((product, size) => product * size, 1);

function decode({ dims, dataType, rawData }: TensorProto): Value {
  const bytes = new Uint8Array(rawData ?? []);
  const { buffer } = bytes;
  const nibbles = (signed: boolean) =>
    [...bytes].flatMap((byte) =>
      [byte & 15, byte >> 4].map((code) => (signed && code > 7 ? code - 16 : code)),
    );
  const kinds: Record<number, () => ArrayLike<number>> = {
    1: () => new Float32Array(buffer),
    2: () => bytes,
    3: () => new Int8Array(buffer),
    6: () => new Int32Array(buffer),
    7: () => Array.from(new BigInt64Array(buffer), Number),
    21: () => nibbles(false),
    22: () => nibbles(true),
  };
  return { dims: dims.map(Number), data: Array.from(kinds[dataType ?? 0]()) };
}

const int = (node: NodeProto, name: string, otherwise: number) =>
  Number(node.attribute.find((each) => each.name === name)?.i ?? otherwise);
const ints = (node: NodeProto, name: string, otherwise: number[]) => {
  const found = node.attribute.find((each) => each.name === name)?.ints ?? [];
  return found.length > 0 ? found.map(Number) : otherwise;
};
const even = (x: number) => {
  const floor = Math.floor(x);
  return x - floor === 0.5 ? floor + (Math.abs(floor) % 2) : Math.round(x);
};
const clamp = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high);

/** Broadcasts two values, aligned at their last dimensions. */
function both(a: Value, b: Value, f: (x: number, y: number) => number): Value {
  const rank = Math.max(a.dims.length, b.dims.length);
  const [p, q] = [a, b].map(({ dims }) => [...Array(rank - dims.length).fill(1), ...dims]);
  const dims = p.map((size, i) => Math.max(size, q[i]));
  const data = Array.from({ length: sizeOf(dims) }, (_, i) => {
    let [at, bt, rest, sa, sb] = [0, 0, i, 1, 1];
    for (let d = rank - 1; d >= 0; d--) {
      const index = rest % dims[d];
      rest = Math.floor(rest / dims[d]);
      if (p[d] > 1) at += index * sa;
      if (q[d] > 1) bt += index * sb;
      sa *= p[d];
      sb *= q[d];
    }
    return f(a.data[at], b.data[bt]);
  });
  return { dims, data };
}

function matmul(a: Value, b: Value): Value {
  const [k, n] = b.dims;
  const rows = a.data.length / k;
  const data = Array.from({ length: rows * n }, (_, i) => {
    let sum = 0;
    for (let j = 0; j < k; j++) sum += a.data[Math.floor(i / n) * k + j] * b.data[j * n + (i % n)];
    return sum;
  });
  return { dims: [...a.dims.slice(0, -1), n], data };
}

/** Two-dimensional, with groups, strides and pads. */
function conv(node: NodeProto, x: Value, w: Value): Value {
  const [batch, , height, width] = x.dims;
  const [m, c, kh, kw] = w.dims;
  const group = int(node, "group", 1);
  const [sh, sw] = ints(node, "strides", [1, 1]);
  const [top, left, bottom, right] = ints(node, "pads", [0, 0, 0, 0]);
  const oh = Math.floor((height + top + bottom - kh) / sh) + 1;
  const ow = Math.floor((width + left + right - kw) / sw) + 1;
  const data: number[] = [];
  for (let b = 0; b < batch; b++)
    for (let o = 0; o < m; o++)
      for (let i = 0; i < oh; i++)
        for (let j = 0; j < ow; j++) {
          let sum = 0;
          for (let d = 0; d < c; d++)
            for (let p = 0; p < kh; p++)
              for (let q = 0; q < kw; q++) {
                const [y, z] = [i * sh + p - top, j * sw + q - left];
                if (y < 0 || z < 0 || y >= height || z >= width) continue;
                const channel = Math.floor(o / (m / group)) * c + d;
                sum +=
                  x.data[((b * c * group + channel) * height + y) * width + z] *
                  w.data[((o * c + d) * kh + p) * kw + q];
              }
          data.push(sum);
        }
  return { dims: [batch, m, oh, ow], data };
}

/** Per element: the entry of scales or zero points along an axis. */
const along = (x: Value, list: Value | undefined, axis: number) => (i: number) => {
  if (!list) return 0;
  if (list.data.length === 1) return list.data[0];
  return list.data[Math.floor(i / sizeOf(x.dims.slice(axis + 1))) % x.dims[axis]];
};

function dequantize(x: Value, s: Value, z: Value | undefined, axis: number): Value {
  const [scale, zero] = [along(x, s, axis), along(x, z, axis)];
  return { dims: x.dims, data: x.data.map((q, i) => (q - zero(i)) * scale(i)) };
}

function dynamic(x: Value): [Value, Value, Value] {
  const [min, max] = [Math.min(0, ...x.data), Math.max(0, ...x.data)];
  const scale = Math.fround((max - min) / 255);
  const zero = clamp(even(-min / scale), 0, 255);
  const data = x.data.map((each) => clamp(even(each / scale) + zero, 0, 255));
  return [
    { dims: x.dims, data },
    { dims: [], data: [scale] },
    { dims: [], data: [zero] },
  ];
}

function matmulNBits(node: NodeProto, [x, w, s, z]: Value[]): Value {
  const [k, n, bits, size] = ["K", "N", "bits", "block_size"].map((name) => int(node, name, 0));
  const blocks = Math.ceil(k / size);
  const code = (list: number[], at: number) =>
    bits === 8 ? list[at] : (list[at >> 1] >> (4 * (at & 1))) & 15;
  const zeroRow = bits === 8 ? blocks : Math.ceil(blocks / 2) * 2;
  const data = Array.from({ length: k * n }, (_, i) => {
    const [row, column] = [Math.floor(i / n), i % n];
    const block = Math.floor(row / size);
    const zero = z ? code(z.data, column * zeroRow + block) : 2 ** (bits - 1);
    return (code(w.data, column * blocks * size + row) - zero) * s.data[column * blocks + block];
  });
  return matmul(x, { dims: [k, n], data });
}

function transpose(x: Value, perm: number[]): Value {
  const dims = perm.map((axis) => x.dims[axis]);
  const data = Array.from({ length: x.data.length }, (_, i) => {
    const at = Array<number>(perm.length);
    for (let d = perm.length - 1, rest = i; d >= 0; d--) {
      at[perm[d]] = rest % dims[d];
      rest = Math.floor(rest / dims[d]);
    }
    return x.data[at.reduce((sum, index, axis) => sum * x.dims[axis] + index, 0)];
  });
  return { dims, data };
}

const plus = (x: number, y: number) => x + y;
const channel = (v: Value | undefined, rank: number): Value | undefined =>
  v && { data: v.data, dims: [v.data.length, ...Array(rank - 2).fill(1)] };

function run(node: NodeProto, v: Value[]): Value[] {
  const [x, y, s, z] = v;
  switch (node.opType) {
    case "Add":
      return [both(x, y, plus)];
    case "Sub":
      return [both(x, y, (a, b) => a - b)];
    case "Mul":
      return [both(x, y, (a, b) => a * b)];
    case "Relu":
      return [{ dims: x.dims, data: x.data.map((each) => Math.max(each, 0)) }];
    case "Cast":
      return [x];
    case "Reshape":
      return [{ dims: y.data, data: x.data }];
    case "Transpose":
      return [transpose(x, ints(node, "perm", []))];
    case "MatMul":
      return [matmul(x, y)];
    case "Gemm": {
      const product = matmul(x, int(node, "transB", 0) ? transpose(y, [1, 0]) : y);
      return [s ? both(product, s, plus) : product];
    }
    case "Conv": {
      const bias = channel(s, x.dims.length);
      return [bias ? both(conv(node, x, y), bias, plus) : conv(node, x, y)];
    }
    case "ConvInteger": {
      const minus = (value: Value, zero: Value) => both(value, zero, (a, b) => a - b);
      return [conv(node, minus(x, s), minus(y, z))];
    }
    case "BatchNormalization": {
      const [, g, b, m, q] = v.map((each) => channel(each, x.dims.length) as Value);
      const normal = both(
        both(x, m, (a, c) => a - c),
        q,
        (a, c) => a / Math.sqrt(c + 1e-5),
      );
      return [
        both(
          both(normal, g, (a, c) => a * c),
          b,
          plus,
        ),
      ];
    }
    case "QuantizeLinear":
      return [
        {
          dims: x.dims,
          data: x.data.map((each) => clamp(even(each / y.data[0]) + s.data[0], 0, 255)),
        },
      ];
    case "DequantizeLinear":
      return [dequantize(x, y, s, int(node, "axis", 1))];
    case "DynamicQuantizeLinear":
      return dynamic(x);
    case "DynamicQuantizeMatMul": {
      const [q, scale, zero] = dynamic(x);
      return [matmul(dequantize(q, scale, zero, 0), dequantize(y, s, undefined, 1))];
    }
    case "MatMulNBits":
      return [matmulNBits(node, v)];
    default:
      throw new Error(`no operator ${node.opType}`);
  }
}

/** A runner for calibration, and for tests. */
export const plainRunner: OnnxRunner = (model) => {
  const { graph } = decodeModel(model);
  return {
    run(feeds): OnnxValues {
      const values = new Map<string, Value>();
      for (const tensor of graph!.initializer) values.set(tensor.name!, decode(tensor));
      for (const [name, { dims, data }] of Object.entries(feeds)) {
        values.set(name, { dims: [...dims], data: Array.from(data as ArrayLike<number>) });
      }
      for (const node of graph!.node) {
        if (node.opType === "Constant") {
          values.set(node.output[0], decode(node.attribute[0].t!));
          continue;
        }
        const inputs = node.input.map((name) => values.get(name) as Value);
        run(node, inputs).forEach((value, i) => void values.set(node.output[i], value));
      }
      return Object.fromEntries(
        graph!.output.map(({ name }) => {
          const { dims, data } = values.get(name!)!;
          return [name, { dims, data: Float32Array.from(data), type: "float32" }];
        }),
      );
    },
  };
};

/** The first output of a model. */
export async function runModel(model: Uint8Array, feeds: OnnxValues): Promise<Float32Array> {
  const session = await plainRunner(model);
  return Object.values(await session.run(feeds))[0].data as Float32Array;
}
