import { createRandom } from "../tools/random.mjs";
import { halfFromFloat } from "./plain.mjs";
import {
  CALL_SHAPES,
  CHANNELS,
  EMBEDDINGS,
  FEW_ELEMENTS,
  GEMM_SHAPES,
  INT4_SHAPES,
  NEAR_SHAPES,
  ONE_TILE,
  SIZES,
  SMALL_LAYER,
  shapeName,
  TWO_SIZES,
  WIDE_SHAPES,
} from "./shapes.mjs";

/** Words of 32 bits: the same data in every run. */
function randomWords(seed) {
  const random = createRandom(seed);
  return () => (random() * 2 ** 32) | 0;
}

/** Every value of the type, or of [low, high], equally often. */
function integers(Type, n, seed, low, high) {
  const next = randomWords(seed);
  const out = new Type(n);
  const span = low === undefined ? 0 : high - low + 1;
  for (let i = 0; i < n; i++) out[i] = span ? low + ((next() >>> 8) % span) : next() >>> 8;
  return out;
}

/** Bell-shaped in [-4, 4], as activations are: the sum of four uniform values. */
function reals(n, seed) {
  const next = randomWords(seed);
  const out = new Float32Array(n);
  for (let i = 0; i < n; i++) {
    const a = next();
    const b = next();
    out[i] = ((a >> 16) + ((a << 16) >> 16) + (b >> 16) + ((b << 16) >> 16)) / 32_768;
  }
  return out;
}

const scalesOf = (n, seed) => reals(n, seed).map((x) => 0.02 + Math.abs(x) / 400);

function transpose(weights, k, n) {
  const out = new weights.constructor(n * k);
  for (let row = 0; row < k; row++) {
    for (let column = 0; column < n; column++) out[column * k + row] = weights[row * n + column];
  }
  return out;
}

/**
 * Data of a GEMM: lhs [m, k], weights [k, n] and the same transposed, [n, k].
 * `low` and `high` narrow the weights (7 bit: -64 … 63).
 */
function gemmData(shape, Lhs, Rhs, [low, high] = []) {
  const { m, n, k } = shape;
  const weights = integers(Rhs, k * n, 2, low, high);
  return {
    ...shape,
    lhs: integers(Lhs, m * k, 1),
    lhsZeroPoint: Lhs === Uint8Array ? 131 : -5,
    weights,
    transposed: transpose(weights, k, n),
    rhsZeroPoint: Rhs === Uint8Array ? 119 : 0,
    rhsType: Rhs,
  };
}

/** Below so many rows packing costs more than it brings. */
const FEW_ROWS = 8;

/** (lhs, zero point) → i32 by whichever plain GEMM is the faster for the shape. */
function plainGemm(plain, data) {
  const { m, n, k, lhsZeroPoint, weights, transposed, rhsZeroPoint } = data;
  const sums = new Int32Array(m * n);
  if (m < FEW_ROWS && rhsZeroPoint === 0) {
    const shape = { m, n, k };
    const rowSums = plain.rowSums(transposed, n, k);
    return {
      sums,
      run: (lhs, zeroPoint = lhsZeroPoint) =>
        plain.gemmRows(lhs, zeroPoint, transposed, rowSums, shape, sums),
    };
  }
  const packed = plain.packWeights(weights, n, k, rhsZeroPoint);
  const gemm = plain.createBlockedGemm({ m, n, k });
  return { sums, run: (lhs, zeroPoint = lhsZeroPoint) => gemm(lhs, zeroPoint, packed, sums) };
}

/** Weights as symmetric quantization makes them: the least integer is not among them. */
const SYMMETRIC = [-127, 127];

/** `isSameInPlain` where plain JavaScript was timed with other weights already. */
function gemmCase(op, Lhs, Rhs, shapes, range, isSameInPlain = false) {
  return shapes.map((shape) => ({
    op,
    shape: shapeName(shape),
    dims: shape,
    unit: "GOPS",
    work: 2 * shape.m * shape.n * shape.k,
    make: () => gemmData(shape, Lhs, Rhs, range),
    isSameInPlain,
    plain: (data, plain) => {
      const { sums, run } = plainGemm(plain, data);
      return { run: () => run(data.lhs), output: () => sums };
    },
  }));
}

/** i8 · i8 → i8: bias, one scale per column, saturation. */
function requantizedCase(shapes) {
  return shapes.map((shape) => ({
    op: "gemm_i8_i8_i8",
    shape: shapeName(shape),
    dims: shape,
    unit: "GOPS",
    work: 2 * shape.m * shape.n * shape.k,
    make: () => {
      const lhsScale = 0.03125;
      const outScale = 0.0625 * Math.sqrt(shape.k);
      const rhsScales = scalesOf(shape.n, 3);
      return {
        ...gemmData(shape, Int8Array, Int8Array, SYMMETRIC),
        bias: integers(Int32Array, shape.n, 4, -9999, 9999),
        lhsScale,
        rhsScales,
        outScale,
        outZeroPoint: 3,
        multipliers: rhsScales.map((scale) =>
          Math.fround(Math.fround(lhsScale * scale) / outScale),
        ),
      };
    },
    plain: (data, plain) => {
      const { sums, run } = plainGemm(plain, data);
      const out = new Int8Array(sums.length);
      return {
        run: () => {
          run(data.lhs);
          plain.requantizeColumns(sums, data.bias, data.multipliers, data.outZeroPoint, out);
        },
        output: () => out,
      };
    },
  }));
}

/** f32 → u8, a scale and zero point per row → u8 · i8 → f32: a dense layer without calibration. */
function dynamicLinearCase(shapes) {
  return shapes.map((shape) => ({
    op: "linear_dynamic_f32",
    shape: shapeName(shape),
    dims: shape,
    unit: "GOPS",
    work: 2 * shape.m * shape.n * shape.k,
    tolerance: 1e-6,
    make: () => ({
      ...gemmData(shape, Uint8Array, Int8Array, SYMMETRIC),
      x: reals(shape.m * shape.k, 5),
      bias: reals(shape.n, 6),
      rhsScales: scalesOf(shape.n, 3),
    }),
    plain: (data, plain) => {
      const { m, n, k, x, bias, rhsScales, transposed } = data;
      const { sums, run } = plainGemm(plain, data);
      const columnSums = plain.rowSums(transposed, n, k);
      const quantized = new Uint8Array(x.length);
      const params = new Array(m);
      const out = new Float32Array(m * n);
      return {
        run: () => {
          for (let row = 0; row < m; row++) {
            const [start, end] = [row * k, (row + 1) * k];
            params[row] = plain.dynamicQuantize(
              x.subarray(start, end),
              quantized.subarray(start, end),
            );
          }
          run(quantized, 0);
          for (let row = 0, o = 0; row < m; row++) {
            const { scale, zeroPoint } = params[row];
            for (let c = 0; c < n; c++, o++) {
              out[o] = (sums[o] - zeroPoint * columnSums[c]) * scale * rhsScales[c] + bias[c];
            }
          }
        },
        output: () => out,
      };
    },
  }));
}

/**
 * f32 · int4 blocks (MatMulNBits): nibbles [n][k / block][block / 2], one f32 scale per block. With
 * "channel" a block is all of a column.
 */
function int4Case(size) {
  return INT4_SHAPES.map((shape) => {
    const block = size === "channel" ? shape.k : size;
    return {
      op: size === "channel" ? "gemm_f32_i4_channel" : `gemm_f32_i4_block${size}`,
      shape: shapeName(shape),
      dims: { ...shape, block },
      unit: "GOPS",
      work: 2 * shape.m * shape.n * shape.k,
      // Activations are quantized by all but plain JavaScript, and at a peer's level 1.
      tolerance: 0.02,
      make: () => ({
        ...shape,
        block,
        x: reals(shape.m * shape.k, 5),
        weights: integers(Uint8Array, (shape.n * shape.k) / 2, 2),
        scales: scalesOf((shape.n * shape.k) / block, 3),
      }),
      plain: (data, plain) => {
        const out = new Float32Array(data.m * data.n);
        return {
          run: () => plain.gemmInt4(data.x, data.weights, data.scales, data, out),
          output: () => out,
        };
      },
    };
  });
}

/**
 * Rows of weights that are encoded; the others repeat them, since encoding takes much longer than a
 * product.
 */
const GGUF_ROWS = 64;

/**
 * One row of f32 by weights in ggml's blocks, and by int4 in blocks of 32: the variants are
 * contenders of one case, so that their samples are interleaved.
 */
const GGUF_CASE = {
  op: "gguf_f32_row",
  shape: "1 × 4096 × 4096",
  dims: { m: 1, n: 4096, k: 4096 },
  variants: ["int4", "Q4_0", "Q4_1", "Q8_0", "Q4_K", "Q6_K"],
  unit: "GOPS",
  work: 2 * 4096 * 4096,
  // of the largest value: weights of 4 bits
  tolerance: 0.3,
  make: () => ({ n: 4096, k: 4096, x: reals(4096, 5), weights: reals(GGUF_ROWS * 4096, 6) }),
  plain: ({ n, k, x, weights }, plain) =>
    fills(new Float32Array(n), (out) => plain.multiplyRow(x, weights, k, out)),
};

/** Reals of ggml's blocks, without an instance: what is timed is one thread of JavaScript. */
const GGUF_DECODE = ["Q8_0", "Q4_0", "Q4_K", "Q6_K"].map((type) => ({
  op: `gguf_decode_${type.toLowerCase()}`,
  shape: "256 K",
  dims: { n: 2 ** 18 },
  variants: [type],
  unit: "GB/s",
  work: 4 * 2 ** 18,
  tolerance: 0.3,
  make: () => ({ x: reals(2 ** 18, 6) }),
  plain: ({ x }) => fills(new Float32Array(x.length), (out) => out.set(x)),
}));

/** Work over n elements; `bytes` are read and written an element. */
function streamCase(op, bytes, make, run, sizes = TWO_SIZES) {
  return sizes.map(({ n, name }) => ({
    op,
    shape: name,
    dims: { n },
    unit: "GB/s",
    work: bytes * n,
    make: () => ({ n, ...make(n) }),
    plain: (data, plain) => run(data, plain),
  }));
}

/** A plain contender that fills `out`. */
const fills = (out, fill) => ({ run: () => fill(out), output: () => out });

const FIRST_AXIS_CHANNELS = 64;
const ROW_WIDTH = 256;
const HISTOGRAM_BINS = 2048;
const TABLE_ROWS = 8002;

const quantizeData = (n) => ({ x: reals(n, 7), scale: 0.03125, zeroPoint: 7 });
const unsignedData = (n) => ({ ...quantizeData(n), zeroPoint: 128 });
const lastAxisData = (n) => ({ x: reals(n, 7), scales: scalesOf(CHANNELS, 3), inner: 1 });
const firstAxisData = (n) => ({
  x: reals(n, 7),
  scales: scalesOf(FIRST_AXIS_CHANNELS, 3),
  inner: n / FIRST_AXIS_CHANNELS,
});
const bytesOf = (data) => ({ ...data, x: undefined, q: integers(Int8Array, data.x.length, 8) });

const quantizeChannels = ({ x, scales, inner }, plain) =>
  fills(new Int8Array(x.length), (out) => plain.quantizeChannels(x, scales, inner, -128, 127, out));
const dequantizeChannels = ({ q, scales, inner }, plain) =>
  fills(new Float32Array(q.length), (out) => plain.dequantizeChannels(q, scales, inner, out));

const TRANSFORMER = GEMM_SHAPES.filter(({ from }) => from.startsWith("MiniLM"));
const FULL_RANGE = [GEMM_SHAPES[0], ...GEMM_SHAPES.filter(({ m }) => m === 512)];
const ONE_SQUARE = GEMM_SHAPES.filter(({ m, n, k }) => m === 512 && n === 512 && k === 512);

/**
 * All cases, in the order of the report. `make()` builds the data, `plain(data, kernels)` the
 * plain contender, whose output every other one is held against.
 */
export const CASES = [
  ...gemmCase("gemm_u8_i8_i32", Uint8Array, Int8Array, [...GEMM_SHAPES, ONE_TILE], SYMMETRIC),
  ...gemmCase("gemm_i8_i8_i32", Int8Array, Int8Array, GEMM_SHAPES, SYMMETRIC),
  ...gemmCase(
    "gemm_u8_i8_i32_wide",
    Uint8Array,
    Int8Array,
    [...WIDE_SHAPES, ...NEAR_SHAPES],
    SYMMETRIC,
  ),
  ...gemmCase("gemm_u8_i8_i32_full_range", Uint8Array, Int8Array, FULL_RANGE, undefined, true),
  ...gemmCase("gemm_i8_u8_i32", Int8Array, Uint8Array, ONE_SQUARE),
  ...gemmCase("gemm_u8_u8_i32", Uint8Array, Uint8Array, ONE_SQUARE),
  ...gemmCase("gemm_i8_w7_i32", Int8Array, Int8Array, GEMM_SHAPES, [-64, 63], true),
  ...requantizedCase([...GEMM_SHAPES, SMALL_LAYER]),
  ...dynamicLinearCase([...GEMM_SHAPES.slice(0, 3), ...TRANSFORMER, SMALL_LAYER]),
  ...int4Case(32),
  ...int4Case(128),
  ...int4Case("channel"),
  GGUF_CASE,
  ...GGUF_DECODE,
  ...EMBEDDINGS.map(({ count, width }) => ({
    op: "top_k_i8",
    shape: `${count} × ${width}`,
    dims: { count, width, k: 10 },
    unit: "GOPS",
    work: 2 * count * width,
    make: () => ({
      rows: integers(Int8Array, count * width, 9),
      query: reals(width, 10),
      count,
      width,
      k: 10,
    }),
    plain: ({ rows, query, k }, plain) => {
      const quantized = new Int8Array(query.length);
      const scale = new Float32Array(1);
      return fills(new Int32Array(k), (out) => {
        plain.quantizeRows(query, query.length, scale, quantized);
        plain.topK(rows, quantized, k, out);
      });
    },
  })),

  ...streamCase(
    "quantize_f32_i8",
    5,
    quantizeData,
    ({ x, scale, zeroPoint }, plain) =>
      fills(new Int8Array(x.length), (out) => plain.quantize(x, scale, zeroPoint, -128, 127, out)),
    [...FEW_ELEMENTS, ...SIZES],
  ),
  ...streamCase("quantize_f32_u8", 5, unsignedData, ({ x, scale, zeroPoint }, plain) =>
    fills(new Uint8Array(x.length), (out) => plain.quantize(x, scale, zeroPoint, 0, 255, out)),
  ),
  ...streamCase("quantize_f32_i8_first_axis", 5, firstAxisData, quantizeChannels),
  ...streamCase("quantize_f32_i8_last_axis", 5, lastAxisData, quantizeChannels),
  ...streamCase(
    "quantize_rows_f32_i8",
    5,
    (n) => ({ x: reals(n, 7), width: ROW_WIDTH }),
    ({ x, width }, plain) => {
      const scales = new Float32Array(x.length / width);
      return fills(new Int8Array(x.length), (out) => plain.quantizeRows(x, width, scales, out));
    },
  ),
  ...streamCase(
    "dynamic_quantize_f32_u8",
    5,
    quantizeData,
    ({ x }, plain) => fills(new Uint8Array(x.length), (out) => plain.dynamicQuantize(x, out)),
    SIZES,
  ),
  ...streamCase(
    "dequantize_i8_f32",
    5,
    (n) => bytesOf(quantizeData(n)),
    ({ q, scale, zeroPoint }, plain) =>
      fills(new Float32Array(q.length), (out) => plain.dequantize(q, scale, zeroPoint, out)),
    SIZES,
  ),
  ...streamCase(
    "dequantize_i8_f32_first_axis",
    5,
    (n) => bytesOf(firstAxisData(n)),
    dequantizeChannels,
  ),
  ...streamCase(
    "dequantize_i8_f32_last_axis",
    5,
    (n) => bytesOf(lastAxisData(n)),
    dequantizeChannels,
  ),
  ...streamCase(
    "gather_i8_f32",
    5,
    (n) => ({
      table: integers(Int8Array, TABLE_ROWS * ROW_WIDTH, 11),
      scales: scalesOf(TABLE_ROWS, 3),
      width: ROW_WIDTH,
      ids: integers(Int32Array, n / ROW_WIDTH, 12, 0, TABLE_ROWS - 1),
    }),
    ({ table, width, scales, ids }, plain) =>
      fills(new Float32Array(ids.length * width), (out) =>
        plain.gather(table, width, scales, ids, out),
      ),
  ),
  ...streamCase(
    "requantize_i32_i8",
    5,
    (n) => ({ sums: integers(Int32Array, n, 13, -99_999, 99_999), scale: 0.00125, zeroPoint: 7 }),
    ({ sums, scale, zeroPoint }, plain) =>
      fills(new Int8Array(sums.length), (out) =>
        plain.requantize(sums, Math.fround(scale), zeroPoint, out),
      ),
  ),
  ...streamCase(
    "requantize_i32_i8_last_axis",
    5,
    (n) => ({
      sums: integers(Int32Array, n, 13, -4999, 4999),
      bias: integers(Int32Array, CHANNELS, 14, -999, 999),
      scales: scalesOf(CHANNELS, 3),
      zeroPoint: 7,
    }),
    ({ sums, bias, scales, zeroPoint }, plain) =>
      fills(new Int8Array(sums.length), (out) =>
        plain.requantizeColumns(sums, bias, scales, zeroPoint, out),
      ),
  ),
  ...streamCase(
    "clamp_f32",
    8,
    (n) => ({ x: reals(n, 7), low: -1, high: 1.5 }),
    ({ x, low, high }, plain) => fills(x, (out) => plain.clamp(x, low, high, out)),
    SIZES,
  ),
  ...streamCase(
    "clamp_i8",
    2,
    (n) => ({ x: integers(Int8Array, n, 8), low: -50, high: 60 }),
    ({ x, low, high }, plain) => fills(x, (out) => plain.clampIntegers(x, low, high, out)),
  ),
  ...streamCase(
    "min_max_f32",
    4,
    (n) => ({ x: reals(n, 7) }),
    ({ x }, plain) => fills(new Float32Array(2), (out) => plain.minMax(x, out)),
    SIZES,
  ),
  ...streamCase(
    "histogram_f32",
    4,
    (n) => ({ x: reals(n, 7), amax: 4, bins: HISTOGRAM_BINS }),
    ({ x, amax, bins }, plain) =>
      fills(new Uint32Array(bins), (out) => plain.histogram(x, amax, out)),
  ),
  ...streamCase(
    "f32_f16",
    6,
    (n) => ({ x: reals(n, 7) }),
    ({ x }, plain) => {
      const bits = new Uint32Array(x.buffer);
      return fills(new Uint16Array(x.length), (out) => plain.halfFromFloat(bits, out));
    },
    SIZES,
  ),
  ...streamCase(
    "f16_f32",
    6,
    (n) => {
      const half = new Uint16Array(n);
      halfFromFloat(new Uint32Array(reals(n, 7).buffer), half);
      return { half };
    },
    ({ half }, plain) =>
      fills(new Float32Array(half.length), (out) => plain.floatFromHalf(half, out)),
    SIZES,
  ),
];

/** What the quick run takes: one case of few elements and one square of every operation. */
const isQuick = ({ dims, shape }) =>
  dims.n === undefined || dims.m === undefined
    ? dims.n === 2 ** 16 || dims.count === 1000
    : ["128³", "1 × 1024 × 1024", "512³"].includes(shape);

/** A case ready to be measured: its data are made when first asked for, `release()` drops them. */
export function openCase(item) {
  let data = null;
  return {
    ...item,
    get data() {
      data ??= item.make();
      return data;
    },
    release() {
      data = null;
    },
  };
}

/**
 * The cases whose "op shape" contains one of the comma-separated texts of `filter`, optionally
 * only those of some operations, or those that are there for the cost of a call. Without a filter
 * the quick run takes few of them.
 */
export function selectCases({ filter = "", quick = false, calls = false, ops } = {}) {
  const texts = filter.split(",");
  return CASES.filter(
    (item) =>
      texts.some((text) => `${item.op} ${item.shape}`.includes(text)) &&
      (!ops || ops.includes(item.op)) &&
      (!calls || CALL_SHAPES.includes(item.shape)) &&
      (!quick || calls || filter !== "" || isQuick(item)),
  ).map(openCase);
}

export const findCase = (op, shape) =>
  openCase(CASES.find((item) => item.op === op && item.shape === shape));
