import { allowRelaxedSimd } from "../machine.mjs";

const ARRAY = {
  f32: Float32Array,
  i32: Int32Array,
  i8: Int8Array,
  u8: Uint8Array,
  f16: Uint16Array,
};
const dtypeOf = (array) => Object.keys(ARRAY).find((dtype) => array.constructor === ARRAY[dtype]);

/**
 * Data as the instance's own tensors, made once: a call is the kernel and the checks before it.
 * Halves lie in tensors of bytes.
 */
function tensors({ tensor }, instance) {
  const made = [];
  const keep = (one) => {
    made.push(one);
    return one;
  };
  const results = new Map();
  const make = (dtype, shape) =>
    keep(dtype === "f16" ? tensor(instance, "u8", [shape[0] * 2]) : tensor(instance, dtype, shape));
  return {
    input: (array, shape = [array.length]) =>
      dtypeOf(array) === "f16"
        ? keep(tensor(instance, "u8", [array.byteLength], new Uint8Array(array.buffer)))
        : keep(tensor(instance, dtypeOf(array), shape, array)),
    over: (source) => source,
    // asked for in every call, since the memory may have grown
    halves: ({ data }) => new ARRAY.f16(data.buffer, data.byteOffset, data.length / 2),
    output: (dtype, shape) => {
      const key = `${dtype} ${shape}`;
      if (!results.has(key)) results.set(key, make(dtype, shape));
      return results.get(key);
    },
    keep,
    values: (result) => result.data ?? result,
    dispose: () => {
      for (const one of made) one.dispose();
    },
  };
}

/**
 * Data as typed arrays, copied in and out by every call; the caller keeps the array of the result,
 * and passes it again.
 */
function arrays() {
  const made = [];
  return {
    input: (array) => array,
    over: (source) => new source.constructor(source.length),
    halves: (array) => array,
    output: (dtype, shape) => new ARRAY[dtype](shape.reduce((a, b) => a * b, 1)),
    keep: (one) => {
      made.push(one);
      return one;
    },
    values: (result) => result,
    dispose: () => {
      for (const one of made) one.dispose();
    },
  };
}

function gemm(api, instance, data, io, bits = 8) {
  const { lhs, lhsZeroPoint, weights, rhsZeroPoint, m, n, k } = data;
  const options = { shape: [k, n], zeroPoint: rhsZeroPoint, bits };
  const rhs = { values: io.keep(api.packMatrix(instance, weights, options)) };
  const left = { values: io.input(lhs, [m, k]), zeroPoint: lhsZeroPoint };
  const out = io.output("i32", [m, n]);
  return () => api.matmul(instance, left, rhs, { m, n, depth: k, out });
}

/** Int4 weights as the caller has them: the operands of ONNX Runtime's MatMulNBits. */
function gemmInt4(api, instance, { m, n, k, block, x, weights, scales }, io) {
  const layer = io.keep(
    api.createLinear(instance, {
      format: "int4",
      weights: { outFeatures: n, inFeatures: k, blockSize: block, values: weights, scale: scales },
    }),
  );
  const source = io.input(x, [m, k]);
  const out = io.output("f32", [m, n]);
  return () => api.linear(layer, source, { out });
}

/** A layer on ggml's blocks of a type, or int4 in blocks of 32 with scales in f16. */
function ggufRow(api, instance, { n, k, x, weights }, io, variant) {
  const bytes = api.encodeGgml(weights, variant === "int4" ? "Q4_0" : variant);
  const data = new Uint8Array((bytes.length * n * k) / weights.length);
  for (let at = 0; at < data.length; at += bytes.length) data.set(bytes, at);
  const shape = [n, k];
  const layer =
    variant === "int4"
      ? api.createLinear(instance, { format: "int4", weights: api.int4FromGgml(data, shape) })
      : api.createGgmlLinear(instance, { type: variant, shape, data });
  io.keep(layer);
  const source = io.input(x, [1, k]);
  const out = io.output("f32", [1, n]);
  const run = () => api.linear(layer, source, { out });
  // what the layer holds, over what the file does
  return Object.assign(run, { resident: layer.byteLength / data.length });
}

function ggufDecode(api, _, { x }, _io, variant) {
  const bytes = api.encodeGgml(x, variant);
  const out = new Float32Array(x.length);
  return () => api.decodeGgml(bytes, variant, { out });
}

function quantizeTo(dtype) {
  return (api, instance, { x, scale, zeroPoint }, io) => {
    const source = io.input(x);
    const params = { dtype, scale, zeroPoint };
    const out = io.output(dtype, [x.length]);
    return () => api.quantize(instance, source, params, { out });
  };
}

const channelShape = (length, { scales, inner }) =>
  inner === 1 ? [length / scales.length, scales.length] : [scales.length, inner];

function quantizeChannels(api, instance, { x, scales, inner }, io) {
  const shape = channelShape(x.length, { scales, inner });
  const source = io.input(x, shape);
  const params = { scale: scales, axis: inner === 1 ? 1 : 0 };
  const out = io.output("i8", shape);
  return () => api.quantize(instance, source, params, { shape, out });
}

function dequantizeChannels(api, instance, { q, scales, inner }, io) {
  const shape = channelShape(q.length, { scales, inner });
  const source = io.input(q, shape);
  const params = { scale: scales, axis: inner === 1 ? 1 : 0 };
  const out = io.output("f32", shape);
  return () => api.dequantize(instance, source, params, { shape, out });
}

/** Over the data where they are the instance's, as the nodes of a runtime's graph do it. */
function clamp(api, instance, { x, low, high }, io) {
  const source = io.input(x);
  const out = io.over(source);
  return () => api.clamp(instance, source, { low, high }, { out });
}

/** The call of the public API that does a case's work. */
const CALLS = {
  gemm_u8_i8_i32: gemm,
  gemm_i8_i8_i32: gemm,
  gemm_u8_i8_i32_wide: gemm,
  gemm_u8_i8_i32_full_range: gemm,
  gemm_i8_u8_i32: gemm,
  gemm_u8_u8_i32: gemm,
  gemm_i8_w7_i32: (api, instance, data, io) => gemm(api, instance, data, io, 7),
  gemm_i8_i8_i8: (api, instance, data, io) => {
    const { m, n, k, lhs, weights, rhsScales, bias, lhsScale } = data;
    const layer = io.keep(
      api.createLinear(instance, {
        weights,
        shape: [k, n],
        scale: rhsScales,
        bias: Float32Array.from(bias, (b, j) => b * Math.fround(lhsScale * rhsScales[j])),
        activations: { scale: lhsScale, zeroPoint: data.lhsZeroPoint },
        output: { scale: data.outScale, zeroPoint: data.outZeroPoint },
      }),
    );
    const source = io.input(lhs, [m, k]);
    const out = io.output("i8", [m, n]);
    return () => api.linear(layer, source, { out });
  },
  linear_dynamic_f32: (api, instance, { m, n, k, x, weights, rhsScales, bias }, io) => {
    const shape = [k, n];
    const layer = io.keep(api.createLinear(instance, { weights, shape, scale: rhsScales, bias }));
    const source = io.input(x, [m, k]);
    const out = io.output("f32", [m, n]);
    return () => api.linear(layer, source, { out });
  },
  gemm_f32_i4_block32: gemmInt4,
  gemm_f32_i4_block128: gemmInt4,
  gemm_f32_i4_channel: gemmInt4,
  gguf_f32_row: ggufRow,
  gguf_decode_q8_0: ggufDecode,
  gguf_decode_q4_0: ggufDecode,
  gguf_decode_q4_k: ggufDecode,
  gguf_decode_q6_k: ggufDecode,
  top_k_i8: (api, instance, { rows, query, width, k }, io) => {
    const index = io.keep(
      api.createIndex(instance, { vectors: rows, dimensions: width, metric: "dot" }),
    );
    const source = io.input(query);
    return () => api.topK(index, source, k).ids;
  },
  quantize_f32_i8: quantizeTo("i8"),
  quantize_f32_u8: quantizeTo("u8"),
  quantize_f32_i8_first_axis: quantizeChannels,
  quantize_f32_i8_last_axis: quantizeChannels,
  quantize_rows_f32_i8: (api, instance, { x, width }, io) => {
    const shape = [x.length / width, width];
    const source = io.input(x, shape);
    const out = io.output("i8", shape);
    return () => {
      const { values, scale } = api.quantizeRows(instance, source, { shape, out });
      scale.dispose?.();
      return values;
    };
  },
  dynamic_quantize_f32_u8: (api, instance, { x }, io) => {
    const source = io.input(x);
    const out = io.output("u8", [x.length]);
    return () => api.quantizeDynamic(instance, source, { out }).values;
  },
  dequantize_i8_f32: (api, instance, { q, scale, zeroPoint }, io) => {
    const source = io.input(q);
    const out = io.output("f32", [q.length]);
    return () => api.dequantize(instance, source, { scale, zeroPoint }, { out });
  },
  dequantize_i8_f32_first_axis: dequantizeChannels,
  dequantize_i8_f32_last_axis: dequantizeChannels,
  gather_i8_f32: (api, instance, { table, width, scales, ids }, io) => {
    // A table is part of a model: in the instance's memory, whatever comes with a call.
    const shape = [scales.length, width];
    const rows = { values: table, scale: scales, zeroPoint: 0, axis: 0, shape };
    const source = io.keep(api.createTable(instance, rows));
    const out = io.output("f32", [ids.length, width]);
    return () => api.gather(source, ids, { out });
  },
  requantize_i32_i8: (api, instance, { sums, scale, zeroPoint }, io) => {
    const source = io.input(sums);
    const params = { multiplier: scale, zeroPoint };
    const out = io.output("i8", [sums.length]);
    return () => api.requantize(instance, source, params, { out });
  },
  requantize_i32_i8_last_axis: (api, instance, { sums, bias, scales, zeroPoint }, io) => {
    const shape = [sums.length / scales.length, scales.length];
    const source = io.input(sums, shape);
    const params = { multiplier: scales, bias, zeroPoint, axis: 1 };
    const out = io.output("i8", shape);
    return () => api.requantize(instance, source, params, { shape, out });
  },
  clamp_f32: clamp,
  clamp_i8: clamp,
  min_max_f32: (api, instance, { x }, io) => {
    const source = io.input(x);
    return () => api.minMax(instance, source);
  },
  // Batch after batch into one observer, its extremes included.
  histogram_f32: (api, instance, { x, bins }, io) => {
    const source = io.input(x);
    const observer = api.createObserver(instance, { method: "entropy", bins });
    return () => observer.observe(source);
  },
  f32_f16: (api, instance, { x }, io) => {
    const source = io.input(x);
    const out = io.output("f16", [x.length]);
    return () => api.toF16(instance, source, { out: io.halves(out) });
  },
  f16_f32: (api, instance, { half }, io) => {
    const source = io.input(half);
    const out = io.output("f32", [half.length]);
    return () => api.fromF16(instance, io.halves(source), { out });
  },
};

/** Counts of |x|: those of the bins on either side of 0 together, exact zeros with the least. */
function foldedCounts({ half, counts }) {
  const folded = new Uint32Array(half);
  for (let b = 1; b <= half; b++) folded[b - 1] = counts[half + b] + counts[half - b];
  folded[0] += counts[half];
  return folded;
}

/** The values of a result, whatever the call returns. */
function valuesOf(result, io) {
  if (result.histogram) return foldedCounts(result.histogram());
  if (result.min !== undefined) return Float32Array.of(result.min, result.max);
  if (result instanceof Int32Array) return result;
  return io.values(result);
}

/** An entry of the package as it is published. */
async function importEntry(name) {
  const file = new URL(`../../dist/${name}.js`, import.meta.url);
  return import(file).catch((cause) => {
    throw new Error(`"dist/${name}.js" expected a build, got none: npm run build`, { cause });
  });
}

/** For starts.mjs: the package as a user takes it, with the build that it chooses. */
export const bytelaneStarter = {
  op: "gemm_u8_i8_i32",
  prepare: ({ data }) => data,
  load: async () => ({ api: await importEntry("index"), instance: null }),
  create: async (loaded, { lhs, lhsZeroPoint, weights, m, n, k }) => {
    const { api } = loaded;
    loaded.instance ??= await api.createBytelane();
    const { instance } = loaded;
    const left = { values: lhs, zeroPoint: lhsZeroPoint };
    const right = { values: api.packMatrix(instance, weights, { shape: [k, n] }) };
    return () => {
      const out = new Int32Array(m * n);
      return api.matmul(instance, left, right, { m, n, depth: k, out });
    };
  },
  createAgain: ({ api }) => api.createBytelane(),
};

export const BYTELANE_START = {
  label: "Bytelane",
  module: import.meta.url,
  name: "bytelaneStarter",
};

/**
 * Opens an instance of each build, and gives `contend(item)`: for each of them the call on its
 * own tensors, which counts as the kernel, and the call with typed arrays.
 */
export async function openBytelane({ tiers = ["simd", "relaxed"] } = {}) {
  const entries = ["index", "calibration", "gguf", "search"].map(importEntry);
  const api = Object.assign({}, ...(await Promise.all(entries)));
  allowRelaxedSimd();
  const lanes = [];
  for (const tier of tiers) {
    const instance = await api.createBytelane({ tier }).catch((fault) => {
      process.stderr.write(`without the ${tier} build: ${fault.message}\n`);
      return null;
    });
    if (instance) lanes.push(instance);
  }

  return function contend(item) {
    const call = CALLS[item.op];
    if (!call) return [];
    const contenders = [];
    // Only products differ between the tiers. As called, the one that is chosen by itself stands
    // for both.
    const chosen = lanes.at(-1);
    const used = item.unit === "GOPS" ? lanes : [chosen];
    for (const instance of used) {
      const modes = [["kernel", tensors]];
      // variants are compared with each other, whose data lie in place
      if (instance === chosen && !item.variants) modes.push(["call", arrays]);
      const ways = modes.flatMap((mode) =>
        (item.variants ?? [undefined]).map((variant) => [...mode, variant]),
      );
      for (const [mode, open, variant] of ways) {
        const io = open(api, instance);
        const work = call(api, instance, item.data, io, variant);
        let last = null;
        contenders.push({
          name: variant ? `Bytelane ${variant}` : "Bytelane",
          build: instance.tier,
          mode,
          resident: work.resident,
          run: () => {
            last = work();
          },
          output: () => valuesOf(last, io),
          dispose: io.dispose,
        });
      }
    }
    return contenders;
  };
}
