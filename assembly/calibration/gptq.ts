/**
 * Error feedback (GPTQ): the triangular factor of the second moments, the shares U_ij / U_ii of an
 * error, and rounding that feeds errors back. src/int4/gptq.ts has the formulas. Sums are f64 with
 * a fixed order of terms, so that codes are the same in every build.
 *
 * Upper triangles are packed: row i holds the columns i … n − 1, and
 *
 *   [i][j]  lies at element  i · n − i · (i + 1) / 2 + j
 */

/** Rows or columns that are computed at a time: eight vectors of sums. */
const WIDTH: i32 = 16;
/** Bytes of a row of a panel, [k][WIDTH] in f64. */
const ROW: usize = 128;

/** The element [i][0] of a packed triangle, which would lie `i` elements before its row. */
function rowOf(i: i32, n: i32): usize {
  return <usize>i * <usize>n - ((<usize>i * (<usize>i + 1)) >> 1);
}

/** The address of [i][j]. */
function at(triangle: usize, i: i32, j: i32, n: i32): usize {
  return triangle + ((rowOf(i, n) + <usize>j) << 3);
}

/** Tags: how many terms are added up before they are subtracted. */
type One = i8;
type Four = i16;

function isFour<T>(): bool {
  return sizeof<T>() == 2;
}

class Terms {
  /** One term of a vector, or four added up in the order of k. */
  @inline static of<T>(row: usize, f0: v128, f1: v128, f2: v128, f3: v128): v128 {
    let term = f64x2.mul(f0, v128.load(row));
    if (isFour<T>()) {
      term = f64x2.add(term, f64x2.mul(f1, v128.load(row, ROW)));
      term = f64x2.add(term, f64x2.mul(f2, v128.load(row, 2 * ROW)));
      term = f64x2.add(term, f64x2.mul(f3, v128.load(row, 3 * ROW)));
    }
    return term;
  }
}

/**
 * sums[WIDTH] −= Σ x[k] · rows[k][WIDTH] in `count` steps, each of one term or of four added up.
 * `step` bytes lie between x.
 */
function subtract<T>(sums: usize, rows: usize, count: i32, x: usize, step: usize): void {
  const terms: usize = isFour<T>() ? 4 : 1;
  let a = v128.load(sums);
  let b = v128.load(sums, 16);
  let c = v128.load(sums, 32);
  let d = v128.load(sums, 48);
  let e = v128.load(sums, 64);
  let f = v128.load(sums, 80);
  let g = v128.load(sums, 96);
  let h = v128.load(sums, 112);
  for (; count > 0; count--, rows += terms * ROW, x += terms * step) {
    const f0 = v128.load64_splat(x);
    const f1 = isFour<T>() ? v128.load64_splat(x + step) : f0;
    const f2 = isFour<T>() ? v128.load64_splat(x + 2 * step) : f0;
    const f3 = isFour<T>() ? v128.load64_splat(x + 3 * step) : f0;
    a = f64x2.sub(a, Terms.of<T>(rows, f0, f1, f2, f3));
    b = f64x2.sub(b, Terms.of<T>(rows + 16, f0, f1, f2, f3));
    c = f64x2.sub(c, Terms.of<T>(rows + 32, f0, f1, f2, f3));
    d = f64x2.sub(d, Terms.of<T>(rows + 48, f0, f1, f2, f3));
    e = f64x2.sub(e, Terms.of<T>(rows + 64, f0, f1, f2, f3));
    f = f64x2.sub(f, Terms.of<T>(rows + 80, f0, f1, f2, f3));
    g = f64x2.sub(g, Terms.of<T>(rows + 96, f0, f1, f2, f3));
    h = f64x2.sub(h, Terms.of<T>(rows + 112, f0, f1, f2, f3));
  }
  v128.store(sums, a);
  v128.store(sums, b, 16);
  v128.store(sums, c, 32);
  v128.store(sums, d, 48);
  v128.store(sums, e, 64);
  v128.store(sums, f, 80);
  v128.store(sums, g, 96);
  v128.store(sums, h, 112);
}

/** values[WIDTH] /= divisor */
function divide(values: usize, divisor: f64): void {
  const d = f64x2.splat(divisor);
  for (const end = values + ROW; values < end; values += 16) {
    v128.store(values, f64x2.div(v128.load(values), d));
  }
}

/**
 * M of H = M Mᵀ in place of H, an upper triangle in f64: the rows `last` − 15 … `last`, or the
 * remaining ones, after all later rows. `panel` has room for n rows.
 *
 *   M_ij = (H_ij − Σ_{k>j} M_ik · M_jk) / M_jj        M_jj = √max(H_jj − Σ_{k>j} M_jk², floor)
 *
 * The panel is [k][row], so that one vector has an element of two rows. Its lanes for j < i are
 * computed too, but never read.
 */
export function gptq_factor(triangle: usize, n: i32, last: i32, floor: f64, panel: usize): void {
  const first = max(last + 1 - WIDTH, 0);
  const rows = last + 1 - first;
  memory.fill(panel + <usize>first * ROW, 0, <usize>(n - first) * ROW);
  for (let r = 0; r < rows; r++) {
    const row = first + r;
    for (let k = row; k < n; k++) {
      store<f64>(panel + <usize>k * ROW + ((<usize>r) << 3), load<f64>(at(triangle, row, k, n)));
    }
  }
  for (let j = n - 1; j >= first; j--) {
    const sums = panel + <usize>j * ROW;
    const own = (<usize>(j - first)) << 3;
    const isOwn = j <= last;
    const x = isOwn ? sums + ROW + own : at(triangle, j, j + 1, n);
    subtract<One>(sums, sums + ROW, n - 1 - j, x, isOwn ? ROW : 8);
    const diagonal = isOwn
      ? sqrt(max(load<f64>(sums + own), floor))
      : load<f64>(at(triangle, j, j, n));
    divide(sums, diagonal);
    if (isOwn) store<f64>(sums + own, diagonal);
  }
  for (let r = 0; r < rows; r++) {
    const row = first + r;
    for (let k = row; k < n; k++) {
      store<f64>(at(triangle, row, k, n), load<f64>(panel + <usize>k * ROW + ((<usize>r) << 3)));
    }
  }
}

/**
 * The shares U_ij / U_ii of U = M⁻¹, f32 in a packed triangle, for the columns `first` … `first` +
 * 15, or the remaining ones. `panel` has room for n + 4 rows.
 *
 *   U_ij = ((i = j) − Σ_{k>i} M_ik · U_kj) / M_ii
 */
export function gptq_shares(
  triangle: usize,
  n: i32,
  first: i32,
  panel: usize,
  shares: usize,
): void {
  const columns = min(WIDTH, n - first);
  const last = first + columns - 1;
  // U is 0 below its diagonal
  memory.fill(panel, 0, <usize>(last + 1 + 4) * ROW);
  for (let i = last; i >= 0; i--) {
    const u = panel + <usize>i * ROW;
    if (i >= first) store<f64>(u + ((<usize>(i - first)) << 3), 1);
    const x = at(triangle, i, i + 1, n);
    const terms = last - i;
    // groups of four from i + 1 on that end inside the matrix, then single terms
    const fours = min((terms + 3) >> 2, (n - 1 - i) >> 2);
    subtract<Four>(u, u + ROW, fours, x, 8);
    const done = fours << 2;
    subtract<One>(u, u + ROW + <usize>done * ROW, terms - done, x + ((<usize>done) << 3), 8);
    const diagonal = load<f64>(x - 8);
    divide(u, diagonal);
    const inverse = 1 / diagonal;
    const share = shares + (rowOf(i, n) << 2);
    for (let j = max(i + 1, first); j <= last; j++) {
      const value = load<f64>(u + ((<usize>(j - first)) << 3)) / inverse;
      store<f32>(share + ((<usize>j) << 2), <f32>value);
    }
  }
}

/** One block of a rounding with feedback: columns [start, end) of all rows. */
@unmanaged
class Feedback {
  /** [rows][stride] f32; changed. */
  reals: usize;
  /** [rows][stride], one code per byte. */
  codes: usize;
  /** f32, `blocks` apart from row to row. */
  scales: usize;
  /** i32, the same. */
  zeros: usize;
  /** Of gptq_shares, for n columns. */
  shares: usize;
  /** Room for 4 · (n + 2) + n · blockSize + 2 f64. */
  work: usize;
  rows: i32;
  stride: i32;
  n: i32;
  blocks: i32;
  start: i32;
  end: i32;
  /** The codes in columns [end, fill) become zero points. */
  fill: i32;
  /** The greatest code. */
  most: i32;
}

/** The share rows of a block as f64, [end − start][n]. */
function widenShares(feedback: Feedback, wide: usize): void {
  const n = feedback.n;
  for (let k = feedback.start; k < feedback.end; k++, wide += (<usize>n) << 3) {
    const row = feedback.shares + (rowOf(k, n) << 2);
    for (let j = k + 1; j < n; j++) {
      store<f64>(wide + ((<usize>j) << 3), <f64>load<f32>(row + ((<usize>j) << 2)));
    }
  }
}

/**
 * row[j] −= Σ errors[k] · shares[k][j], rounded to f32 after each group of terms. Row and shares
 * are f64, and the row's values are those of f32.
 */
function spread(
  row: usize,
  from: i32,
  to: i32,
  n: i32,
  errors: usize,
  shares: usize,
  fours: bool,
): void {
  const bytes = (<usize>n) << 3;
  const f0 = v128.load64_splat(errors);
  const f1 = fours ? v128.load64_splat(errors, 8) : f0;
  const f2 = fours ? v128.load64_splat(errors, 16) : f0;
  const f3 = fours ? v128.load64_splat(errors, 24) : f0;
  let j = from;
  for (; j + 2 <= to; j += 2) {
    const offset = (<usize>j) << 3;
    const s = shares + offset;
    let term = f64x2.mul(f0, v128.load(s));
    if (fours) {
      term = f64x2.add(term, f64x2.mul(f1, v128.load(s + bytes)));
      term = f64x2.add(term, f64x2.mul(f2, v128.load(s + 2 * bytes)));
      term = f64x2.add(term, f64x2.mul(f3, v128.load(s + 3 * bytes)));
    }
    const value = f64x2.sub(v128.load(row + offset), term);
    v128.store(row + offset, f64x2.promote_low_f32x4(f32x4.demote_f64x2_zero(value)));
  }
  if (j < to) {
    const offset = (<usize>j) << 3;
    const s = shares + offset;
    let term = load<f64>(errors) * load<f64>(s);
    if (fours) {
      term += load<f64>(errors, 8) * load<f64>(s + bytes);
      term += load<f64>(errors, 16) * load<f64>(s + 2 * bytes);
      term += load<f64>(errors, 24) * load<f64>(s + 3 * bytes);
    }
    store<f64>(row + offset, <f64>(<f32>(load<f64>(row + offset) - term)));
  }
}

/** Columns of two rows that fit the first-level cache while all errors are fed back. */
const TILE: i32 = 1024;

/** `spread` of four errors for two rows `apart` bytes from each other, and their errors. */
function spreadTwo(
  row: usize,
  apart: usize,
  from: i32,
  to: i32,
  errors: usize,
  shares: usize,
  bytes: usize,
): void {
  const p0 = v128.load64_splat(errors);
  const p1 = v128.load64_splat(errors, 8);
  const p2 = v128.load64_splat(errors, 16);
  const p3 = v128.load64_splat(errors, 24);
  const q0 = v128.load64_splat(errors + apart);
  const q1 = v128.load64_splat(errors + apart, 8);
  const q2 = v128.load64_splat(errors + apart, 16);
  const q3 = v128.load64_splat(errors + apart, 24);
  let x = row + ((<usize>from) << 3);
  let s = shares + ((<usize>from) << 3);
  for (const end = row + ((<usize>to) << 3); x < end; x += 16, s += 16) {
    let share = v128.load(s);
    let p = f64x2.mul(p0, share);
    let q = f64x2.mul(q0, share);
    share = v128.load(s + bytes);
    p = f64x2.add(p, f64x2.mul(p1, share));
    q = f64x2.add(q, f64x2.mul(q1, share));
    share = v128.load(s + 2 * bytes);
    p = f64x2.add(p, f64x2.mul(p2, share));
    q = f64x2.add(q, f64x2.mul(q2, share));
    share = v128.load(s + 3 * bytes);
    p = f64x2.add(p, f64x2.mul(p3, share));
    q = f64x2.add(q, f64x2.mul(q3, share));
    p = f64x2.sub(v128.load(x), p);
    q = f64x2.sub(v128.load(x + apart), q);
    v128.store(x, f64x2.promote_low_f32x4(f32x4.demote_f64x2_zero(p)));
    v128.store(x + apart, f64x2.promote_low_f32x4(f32x4.demote_f64x2_zero(q)));
  }
}

/** Row r of the reals from column `start` on as f64. */
function widenRow(feedback: Feedback, r: i32, row: usize): void {
  const reals = feedback.reals + ((<usize>r * <usize>feedback.stride) << 2);
  for (let k = feedback.start; k < feedback.n; k++) {
    store<f64>(row + ((<usize>k) << 3), <f64>load<f32>(reals + ((<usize>k) << 2)));
  }
}

/** Rounds the block of row r, feeding errors back within it: codes, and errors for the rest. */
function roundBlock(feedback: Feedback, r: i32, row: usize, errors: usize, wide: usize): void {
  const n = feedback.n;
  const start = feedback.start;
  const end = feedback.end;
  const most = <f32>feedback.most;
  const codes = feedback.codes + <usize>r * <usize>feedback.stride;
  const entry = (<usize>r * <usize>feedback.blocks) << 2;
  const scale = load<f32>(feedback.scales + entry);
  const zero = load<i32>(feedback.zeros + entry);
  for (let k = start; k < end; k++) {
    const real = load<f64>(row + ((<usize>k) << 3));
    let steps = nearest(<f32>real / scale);
    steps = steps == steps ? steps : 0;
    const code = <i32>min<f32>(max<f32>(steps + <f32>zero, 0), most);
    store<u8>(codes + <usize>k, code);
    let error = real - <f64>(code - zero) * <f64>scale;
    error = error == error ? error : 0;
    store<f64>(errors + ((<usize>k) << 3), error);
    const share = wide + ((<usize>(k - start) * <usize>n) << 3);
    spread(row, k + 1, end, n, errors + ((<usize>k) << 3), share, false);
  }
  for (let k = end; k < feedback.fill; k++) store<u8>(codes + <usize>k, zero);
}

/** Feeds the errors of a block back to the later columns, of one row or of two. */
function spreadBlock(
  feedback: Feedback,
  row: usize,
  apart: usize,
  errors: usize,
  wide: usize,
  both: bool,
): void {
  const n = feedback.n;
  const bytes = (<usize>n) << 3;
  for (let from = feedback.end; from < n; from += TILE) {
    const to = min(from + TILE, n);
    for (let k = feedback.start; k < feedback.end; ) {
      const fours = k + 4 <= feedback.end;
      const share = wide + <usize>(k - feedback.start) * bytes;
      const error = errors + ((<usize>k) << 3);
      if (both && fours) spreadTwo(row, apart, from, to, error, share, bytes);
      else {
        spread(row, from, to, n, error, share, fours);
        if (both) spread(row + apart, from, to, n, error + apart, share, fours);
      }
      k += fours ? 4 : 1;
    }
  }
}

/** Row r of the reals after the block, from f64. */
function narrowRow(feedback: Feedback, r: i32, row: usize): void {
  const reals = feedback.reals + ((<usize>r * <usize>feedback.stride) << 2);
  for (let k = feedback.end; k < feedback.n; k++) {
    store<f32>(reals + ((<usize>k) << 2), <f32>load<f64>(row + ((<usize>k) << 3)));
  }
}

/**
 * Rounds a block of all rows, two at a time, and feeds errors back to the later columns
 * (src/int4/gptq.ts). The work holds the errors of a row and the row in f64, for both rows, then
 * the shares.
 */
export function gptq_round(feedback: Feedback): void {
  const room = (<usize>feedback.n + 2) << 3;
  const apart = 2 * room;
  const errors = feedback.work;
  const row = errors + room;
  const wide = errors + 2 * apart;
  widenShares(feedback, wide);
  for (let r = 0; r < feedback.rows; r += 2) {
    const both = r + 1 < feedback.rows;
    widenRow(feedback, r, row);
    roundBlock(feedback, r, row, errors, wide);
    if (both) {
      widenRow(feedback, r + 1, row + apart);
      roundBlock(feedback, r + 1, row + apart, errors + apart, wide);
    }
    spreadBlock(feedback, row, apart, errors, wide, both);
    narrowRow(feedback, r, row);
    if (both) narrowRow(feedback, r + 1, row + apart);
  }
}
