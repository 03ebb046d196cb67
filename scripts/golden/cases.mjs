/**
 * The inputs that every reference gets, chosen where rules part: ties and their neighbours, values
 * where dividing and multiplying by the reciprocal round to different integers, bounds, and what is
 * not a number.
 */

import { createRandom } from "../../tools/random.mjs";

const f = Math.fround;
const bits = new DataView(new ArrayBuffer(4));

/** The f32 that is `steps` away in magnitude. */
function neighbour(x, steps) {
  bits.setFloat32(0, x);
  bits.setInt32(0, bits.getInt32(0) + steps);
  return bits.getFloat32(0);
}

/** A step for which x = 0.273939937 is 127.49999 divided and 127.5 multiplied. */
export const TIE = { scale: f(0.00214854861), x: f(0.273939937) };

/** Values around the integers of an 8-bit type, at a scale. */
function valuesAt(scale, seed, count) {
  const random = createRandom(seed);
  const values = [0, -0, 1e-40, -1e-40, f(0.49999997 * scale), f(-0.49999997 * scale)];
  if (scale === TIE.scale) values.push(TIE.x, -TIE.x);
  for (let i = 0; i < count; i++) {
    const tie = f((Math.floor(random() * 270 - 135) + 0.5) * scale);
    values.push(tie, neighbour(tie, 1), neighbour(tie, -1));
  }
  // ties of one rule that are none of the other
  const reciprocal = f(1 / scale);
  for (let i = 0, found = 0; i < 20_000 && found < count; i++) {
    const x = f((Math.floor(random() * 254 - 127) + 0.5) * scale * (1 + (random() - 0.5) * 2e-7));
    const [divided, multiplied] = [f(x / scale), f(x * reciprocal)];
    if (
      divided !== multiplied &&
      (Math.abs(divided) % 1 === 0.5 || Math.abs(multiplied) % 1 === 0.5)
    ) {
      values.push(x);
      found++;
    }
  }
  for (let i = 0; i < 2 * count; i++) values.push(f((random() - 0.5) * 600 * scale));
  for (const far of [129, 255.5, 256, 1000, 2 ** 20]) values.push(f(far * scale), f(-far * scale));
  return Float32Array.from(values);
}

function perTensor() {
  const list = [
    ["i8", TIE.scale, 0],
    ["u8", TIE.scale, 0],
    ["i8", 0.1, -5],
    ["u8", 0.1, 128],
    ["i8", 2 ** -7, 0],
    ["u8", 1 / 3, 37],
    ["i8", 13.7, 127],
    ["u8", 0.05, 255],
  ];
  return list.map(([dtype, scale, zeroPoint], i) => {
    const x = valuesAt(f(scale), i + 1, 16);
    return { name: `per tensor ${i + 1}`, dtype, x, shape: [x.length], scale: f(scale), zeroPoint };
  });
}

function perAxis() {
  const list = [
    ["i8", [3, 5, 7], 0],
    ["u8", [3, 5, 7], 1],
    ["i8", [3, 5, 7], 2],
    ["u8", [4, 37], 1],
    ["i8", [2, 41], 0],
  ];
  return list.map(([dtype, shape, axis], i) => {
    const random = createRandom(100 + i);
    const channels = shape[axis];
    const scale = Float32Array.from({ length: channels }, () => 0.01 + random());
    const least = dtype === "i8" ? -128 : 0;
    const zeroPoint = Int32Array.from(
      { length: channels },
      () => least + Math.floor(random() * 256),
    );
    const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
    const length = shape.reduce((a, b) => a * b, 1);
    const x = Float32Array.from({ length }, (_, at) => {
      const step = scale[Math.floor(at / inner) % channels];
      return at % 3 === 0
        ? (Math.floor(random() * 300 - 150) + 0.5) * step
        : (random() - 0.5) * 300 * step;
    });
    return { name: `axis ${axis} of [${shape}]`, dtype, x, shape, axis, scale, zeroPoint };
  });
}

/** Finite values, where the profiles promise equality. */
export const quantizeCases = [...perTensor(), ...perAxis()];

/** Per channel along axis 0, u8: what LiteRT's own quantizer takes. Ties and their neighbours. */
export const rowCases = [1, 2, 3].map((seed) => {
  const scale = Float32Array.of(TIE.scale, f(0.1), f(1 / 3), 1);
  const rows = [...scale].map((step, c) => valuesAt(step, 200 + 10 * seed + c, 12));
  const columns = Math.min(...rows.map((row) => row.length));
  const x = new Float32Array(4 * columns);
  for (const [r, row] of rows.entries()) x.set(row.subarray(0, columns), r * columns);
  const zeroPoint = Int32Array.of(0, 128, 37, 255);
  return { name: `rows ${seed}`, dtype: "u8", x, shape: [4, columns], axis: 0, scale, zeroPoint };
});

const LARGEST = 3.4028234663852886e38;
const special = (name, values) =>
  [
    ["i8", 3],
    ["u8", 128],
  ].map(([dtype, zeroPoint]) => {
    const x = Float32Array.from({ length: 18 }, (_, i) => values[i % values.length]);
    return { name, dtype, x, shape: [18], scale: f(0.1), zeroPoint };
  });

/** Values beyond i32 after scaling, infinities, NaN: references part, so each stands alone. */
export const specialCases = [
  ...special("huge", [1e10, -1e10, LARGEST, -LARGEST]),
  ...special("infinite", [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]),
  ...special("NaN", [Number.NaN]),
];

/** Every code of a type. */
export const dequantizeCases = [
  ["i8", TIE.scale, -5],
  ["u8", 0.1, 128],
  ["u8", 13.7, 0],
].map(([dtype, scale, zeroPoint]) => {
  const q = dtype === "i8" ? new Int8Array(256) : new Uint8Array(256);
  for (let i = 0; i < 256; i++) q[i] = i;
  return { name: `every ${dtype}`, q, shape: [256], scale: f(scale), zeroPoint };
});

const random = createRandom(7);
const uniform = (length, low, high) =>
  Float32Array.from({ length }, () => low + random() * (high - low));

export const dynamicCases = [
  ["uniform", uniform(131, -3, 5)],
  ["positive", uniform(64, 2, 3)],
  ["negative", uniform(33, -7, -1)],
  ["tiny", uniform(40, -1e-30, 2e-30)],
  ["wide", uniform(50, -1e38, 1e38)],
  ["one value", Float32Array.of(-2.5)],
  ["constant", new Float32Array(20).fill(0.7)],
  ["tie of the zero point", Float32Array.of(-63.75, 0, 63.75, -31.875, 191.25, 10.5)],
  ["zeros", new Float32Array(19)],
  ["least normal range", Float32Array.of(0, 2 ** -126, -(2 ** -126), 2 ** -127)],
  ["NaN among numbers", Float32Array.of(1, Number.NaN, -1, 0.5, 0.25)],
  ["infinite", Float32Array.of(1, Number.POSITIVE_INFINITY, -1, 0.5)],
].map(([name, x]) => ({ name, x }));

function codes(dtype, length, full) {
  const array = dtype === "i8" ? new Int8Array(length) : new Uint8Array(length);
  const ends = dtype === "i8" ? [-128, 127] : [0, 255];
  for (let i = 0; i < length; i++) {
    array[i] = full && random() < 0.5 ? ends[random() < 0.9 ? 1 : 0] : Math.floor(random() * 256);
  }
  return array;
}

const [M, N, K] = [5, 9, 67];

/** Products with zero points. `full` leans on the ends of the types, where 16-bit sums overflow. */
export const matmulCases = [
  ["u8", "u8", 0, 0, false],
  ["u8", "i8", 0, 0, false],
  ["u8", "i8", 128, 0, true],
  ["u8", "u8", 255, 3, true],
  ["i8", "i8", -7, 5, true],
  ["u8", "i8", 13, "columns", false],
].map(([left, right, lhsZero, rhsZero, full]) => {
  const columns = rhsZero === "columns";
  return {
    name: `${left} · ${right}, zero points ${lhsZero} and ${columns ? "one a column" : rhsZero}`,
    ...{ m: M, n: N, depth: K },
    lhs: codes(left, M * K, full),
    rhs: codes(right, K * N, full),
    lhsZero,
    rhsZero: columns ? Int32Array.from({ length: N }, (_, j) => j * 9 - 40) : rhsZero,
  };
});

/** Requantized products. A result scale that is a power of two makes ties. */
export const qlinearCases = [
  [matmulCases[0], 0.5, 0.25, 2048, "u8", 3],
  [matmulCases[3], 0.5, 0.25, 1024, "u8", 128],
  [matmulCases[1], 0.02, 0.0173, 1.337, "u8", 127],
  [matmulCases[4], 0.5, 0.5, 1024, "i8", -5],
  [matmulCases[5], 0.02, 0.0173, 1.1, "u8", 1],
].map(([product, lhsScale, rhsScale, scale, dtype, zeroPoint]) => ({
  ...product,
  ...{ lhsScale: f(lhsScale), rhsScale: f(rhsScale), scale: f(scale), dtype, zeroPoint },
}));

/**
 * Accumulators around the ties of a multiplier 1 / scale, and across i32 as far as scale · 2^8
 * matters.
 */
function accumulators(scale, seed) {
  const draw = createRandom(seed);
  const values = [0, 1, -1];
  for (let i = 0; i < 45; i++) {
    const tie = (Math.floor(draw() * 260 - 130) + 0.5) * scale;
    values.push(Math.floor(tie), Math.ceil(tie), Math.round((draw() - 0.5) * 280 * scale));
  }
  const limit = 2 ** 31 - 1;
  return Int32Array.from(values, (value) => Math.max(-limit, Math.min(limit, value)));
}

/** Multiplier 1 / scale, both as f32; a Q31 multiplier is taken from their quotient in f64. */
export const requantizeCases = [4, 64, 3.7, 5.5, 100, 1000.123, 216269, 1.0001, 6].map(
  (scale, i) => ({
    name: `1 / ${scale}`,
    acc: accumulators(f(scale), 300 + i),
    scale: f(scale),
    zeroPoint: [0, 5, -128, 127][i % 4],
  }),
);

/** Clipping ranges for parameter choice. */
export const ranges = [
  [-1, 3],
  [0, 5],
  [-5, 0],
  [-1, 1],
  [2, 3],
  [-3, -2],
  [-0.1, 12.7],
  [-6.3, 6.4],
  [-1e-4, 3e-4],
  [-1e-6, 1e-6],
  [-1e-9, 2e-9],
  [-1e30, 2e30],
  [-127.5, 127.5],
  [0, 0],
].map(([min, max]) => [f(min), f(max)]);

/** Blocks of 32. */
export const blocks = (() => {
  const draw = createRandom(11);
  const rows = [
    () => draw() - 0.5,
    () => (draw() + draw() + draw() - 1.5) * 40,
    // d = 1: ties of the rounding
    (i) => (i === 0 ? 127 : Math.floor(draw() * 250 - 125) + 0.5),
    (i) => (i === 3 ? -127 : Math.floor(draw() * 250 - 125) + 0.5),
    () => 0,
    (i) => (i === 31 ? -1e-3 : draw() * 1e-4),
    (i) => (i % 2 ? -1 : 1) * 8,
    () => draw() * 1e-12,
    (i) => (i === 5 ? 1e4 : draw()),
  ];
  return Float32Array.from({ length: rows.length * 32 }, (_, at) => rows[at >> 5](at & 31));
})();

/** Embeddings [rows, columns] with the ranges they are scaled by: some values lie outside. */
export const embeddings = (() => {
  const draw = createRandom(13);
  const [rows, columns] = [12, 37];
  const calibration = Float32Array.from({ length: 100 * columns }, () => (draw() - 0.5) * 0.3);
  const x = Float32Array.from({ length: rows * columns }, () => (draw() - 0.5) * 0.32);
  return { x, calibration, rows, columns };
})();
