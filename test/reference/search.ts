/** Nested codes, the two looks of a search, and exact rankings: plain loops over plain arrays. */

const f = Math.fround;

export type Metric = "dot" | "cosine" | "distance";

export interface Coded {
  readonly codes: readonly number[];
  /** Factors by bits. */
  readonly factors: Readonly<Record<1 | 4 | 8, number>>;
  readonly extra: number;
}

/** The sum over even dimensions plus that over odd ones. */
function pairs(values: readonly number[]): number {
  const sums = [0, 0];
  values.forEach((v, j) => {
    sums[j % 2] += v;
  });
  return sums[0] + sums[1];
}

const squareOf = (x: ArrayLike<number>) => pairs(Array.from(x, (v) => v * v));

function scaleOf(x: ArrayLike<number>, metric: Metric): number {
  if (metric !== "cosine") return 1;
  const square = squareOf(x);
  return square > 0 ? 1 / Math.sqrt(square) : 0;
}

export function meanOf(rows: readonly Float32Array[], metric: Metric): Float32Array {
  const sums = new Float64Array(rows[0].length);
  for (const x of rows) {
    const scale = scaleOf(x, metric);
    x.forEach((v, j) => {
      sums[j] += v * scale;
    });
  }
  return Float32Array.from(sums, (sum) => sum / rows.length);
}

export function encode(x: Float32Array, mean: Float32Array, metric: Metric): Coded {
  const scale = scaleOf(x, metric);
  const r = Array.from(x, (v, j) => v * scale - mean[j]);
  const largest = Math.max(...r.map(Math.abs));
  const inverse = largest > 0 ? 128 / largest : 0;
  const codes = r.map((v) => Math.min(Math.max(Math.floor(v * inverse) + 128, 0), 255));
  const square = squareOf(r);
  const factor = (bits: number) => {
    const middle = (j: number) => (codes[j] >> (8 - bits)) + 0.5 - 2 ** (bits - 1);
    return square > 0 ? f(square / pairs(r.map((v, j) => v * middle(j)))) : 0;
  };
  const extra = f(metric === "distance" ? -square / 2 : Math.sqrt(squareOf(x)));
  return { codes, factors: { 1: factor(1), 4: factor(4), 8: factor(8) }, extra };
}

/** Integers z with their step t, |z| ≤ reach. */
function integers(y: readonly number[], reach: number): { z: number[]; t: number } {
  const t = Math.max(...y.map(Math.abs)) / reach;
  return { z: y.map((v) => (t > 0 ? Math.floor(v / t + 0.5) : 0)), t };
}

const sumOf = (z: readonly number[], codes: readonly number[], bits: number) =>
  z.reduce((sum, v, j) => {
    const code = codes[j] >> (8 - bits);
    return sum + v * (2 * code + 1 - 2 ** bits);
  }, 0);

export interface Result {
  readonly row: number;
  readonly score: number;
}

/** The k best of n rows by two looks; `ids` breaks ties. */
export function search(
  rows: readonly Coded[],
  mean: Float32Array,
  metric: Metric,
  query: Float32Array,
  options: {
    k: number;
    bits: 1 | 4 | 8;
    stored: 1 | 4 | 8;
    oversample: number;
    ids: number[];
    prefix?: number;
  },
): Result[] {
  const { k, bits, stored, oversample, ids, prefix = query.length } = options;
  const d = query.length;
  const scale = scaleOf(query, metric);
  const far = metric === "distance";
  const y = Array.from(query, (v, j) => v * scale - (far ? mean[j] : 0));
  const coarse = integers(y, bits === 1 ? Math.min(15, Math.floor(65535 / d)) : 127);
  const seen = coarse.z.map((z, j) => (j < prefix ? z : 0));
  const half = f(coarse.t / 2);
  const first = rows.map(({ codes, factors, extra }, row) => {
    const score = f(f(sumOf(seen, codes, bits)) * factors[bits]);
    return { row, score: far ? f(f(score * half) + extra) : score };
  });
  const best = (a: Result, b: Result) => b.score - a.score || ids[a.row] - ids[b.row];
  const fine = integers(y, Math.min(32767, Math.floor((2 ** 31 - 1) / (255 * d))));
  const square = y.reduce((sum, v) => sum + v * v, 0);
  const offset = far ? 0 : y.reduce((sum, v, j) => sum + v * mean[j], 0);
  const again = first
    .sort(best)
    .slice(0, Math.ceil(k * oversample))
    .map(({ row }) => {
      const { codes, factors, extra } = rows[row];
      const sum = sumOf(fine.z, codes, stored);
      const product = offset + sum * factors[stored] * (fine.t / 2);
      if (far) return { row, score: -f(Math.max(square - 2 * extra - 2 * product, 0)) };
      if (metric === "dot") return { row, score: f(product) };
      const isZero = extra === 0 || square === 0;
      return { row, score: isZero ? 0 : Math.max(Math.min(f(product), 1), -1) };
    });
  return again
    .sort(best)
    .slice(0, k)
    .map(({ row, score }) => ({ row, score: far ? 0 - score : score }));
}

/** Bits in which packed vectors differ. */
export function hamming(a: Uint8Array, b: Uint8Array): number {
  let bits = 0;
  a.forEach((byte, i) => {
    for (let x = byte ^ b[i]; x; x >>= 1) bits += x & 1;
  });
  return bits;
}

/** 16 sums in f32, of the dimensions that are equal modulo 16, and their sum. */
function sixteen(values: readonly number[]): number {
  const lanes = new Float32Array(16);
  values.forEach((v, j) => {
    lanes[j % 16] += f(v);
  });
  const four = [0, 1, 2, 3].map((l) =>
    f(f(lanes[l] + lanes[l + 4]) + f(lanes[l + 8] + lanes[l + 12])),
  );
  return f(f(four[0] + four[1]) + f(four[2] + four[3]));
}

/** The score of a plain row of f32. */
export function scoreOfRow(row: Float32Array, query: Float32Array, metric: Metric): number {
  const values = Array.from(row);
  if (metric === "distance") {
    return sixteen(
      values.map((x, j) => {
        const difference = f(x - query[j]);
        return difference * difference;
      }),
    );
  }
  const product = sixteen(values.map((x, j) => x * query[j]));
  if (metric === "dot") return product;
  return cosineOf(product, sixteen(values.map((x) => x * x)), ownSquare(query));
}

const ownSquare = (query: Float32Array) => sixteen(Array.from(query, (x) => x * x));

function cosineOf(product: number, square: number, other: number): number {
  if (square === 0 || other === 0) return 0;
  return f(Math.max(Math.min(product / (Math.sqrt(square) * Math.sqrt(other)), 1), -1));
}

/** The score of a plain row of i8, which stands for scale · row. */
export function scoreOfIntegers(
  row: Int8Array,
  query: Float32Array,
  metric: Metric,
  scale: number,
  isExact: boolean,
): number {
  const reach = Math.min(32767, Math.floor((2 ** 31 - 1) / (128 * row.length)));
  const largest = Math.max(...Array.from(query, Math.abs));
  const step = isExact || largest === 0 ? 1 : largest / reach;
  const sum = row.reduce((sum, x, j) => sum + x * Math.floor(query[j] / step + 0.5), 0);
  const product = sum * step * scale;
  if (metric === "dot") return f(product);
  const own = row.reduce((sum, x) => sum + x * x, 0) * (scale * scale);
  const square = query.reduce((sum, x) => sum + x * x, 0);
  if (metric === "cosine") return cosineOf(product, own, square);
  return f(Math.max(square + own - 2 * product, 0));
}

/** Late interaction: for each token of the query its greatest product, added up. */
export function maxSim(query: Int8Array[], document: Int8Array[], scale: number): number {
  const product = (a: Int8Array, b: Int8Array) => a.reduce((sum, x, j) => sum + x * b[j], 0);
  const best = query.map((q) => Math.max(...document.map((token) => product(q, token))));
  return f(best.reduce((sum, x) => sum + x, 0) * scale);
}
