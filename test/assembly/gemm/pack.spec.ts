/**
 * The packers against the places that the tiles read (the picture in assembly/gemm/tile.ts): every
 * element at its place, columns and k that do not exist as 0, sums as defined, nothing beyond.
 */
import { packed_bytes } from "../../../assembly/gemm/index";
import { groups, PANEL, pack_lhs, pack_rhs, ROW_SUMS_BYTES } from "../../../assembly/gemm/pack";
import { Product } from "../../../assembly/gemm/product";
import { BYTE_LANES, PAIRS, TWO_STEP } from "../../../assembly/lanes";
import { at, bits, bytes, compare, misses } from "../samples";

/** The offset that brings 7 bits to [0, 127]. */
const OFFSET: i32 = 64;

/** The place of (k, c) in a panel. */
function place(k: i32, c: i32, quads: bool): i32 {
  if (quads) return ((k >> 2) * 8 + c) * 4 + (k & 3);
  return (((k >> 1) * 4 + (c & 3)) * 2 + (k & 1)) * 2 + (c >> 2);
}

/** A byte as it is stored: i8 plus the offset for quads; for pairs columns 0 to 3 are u8. */
function stored(byte: u8, c: i32, unsigned: bool, quads: bool): i32 {
  const x = unsigned ? <i32>byte - 128 : <i32>(<i8>byte);
  if (quads) return (x + OFFSET) & 255;
  return (c < 4 ? x + 128 : x) & 255;
}

function checkRhs(depth: i32, n: i32, byRows: bool, unsigned: bool, wantsQuads: bool): void {
  const quads = BYTE_LANES && wantsQuads;
  // a gap of three bytes behind each run
  const strideK = byRows ? n + 3 : 1;
  const strideN = byRows ? 1 : depth + 3;
  const raw = bytes(depth * strideK + n * strideN + 16);
  if (quads) {
    for (let i = 0; i < raw.length; i++) {
      const seven = <i32>(raw[i] & 127) - 64;
      raw[i] = <u8>(unsigned ? seven + 128 : seven);
    }
  }
  const size = <i32>packed_bytes(depth, n, wantsQuads);
  const columns = (n + PANEL - 1) & -PANEL;
  const panels = new StaticArray<u8>(size + 16).fill(0x5a);
  const sums = new StaticArray<i32>(columns + 4).fill(0x5a5a5a5a);
  // biome-ignore format: as the kernel names them
  pack_rhs(at(raw), strideK, strideN, depth, n, unsigned, wantsQuads, OFFSET, at(panels), at(sums));
  const per = quads ? 4 : 2;
  const padded = groups(depth, wantsQuads) * per;
  for (let j = 0; j < columns; j++) {
    const panel = (j >> 3) * padded * 8;
    let sum = 0;
    for (let k = 0; k < padded; k++) {
      const found = <i32>panels[panel + place(k, j & 7, quads)];
      let wanted = !quads && (j & 7) < 4 ? 128 : 0;
      if (j < n && k < depth) {
        wanted = stored(raw[k * strideK + j * strideN], j & 7, unsigned, quads);
      }
      // beyond the depth lhs is 0, so what rhs has there does not count
      if (j < n && k >= depth && !quads) wanted = found;
      if (j >= n) wanted = found;
      compare(found, wanted, j * 1000 + k);
      if (k < depth) sum += <i32>(<u8>found);
    }
    if (quads && j < n) compare(sums[j], sum, j);
  }
  for (let i = 0; i < 16; i++) compare(panels[size + i], 0x5a, size + i);
  compare(sums[columns], 0x5a5a5a5a, columns);
}

function checkLhs(rows: i32, depth: i32, unsigned: bool, dot: i32, rhsZero: i32): void {
  const quads = BYTE_LANES && dot != PAIRS;
  const stride = depth + 5;
  const raw = bytes(rows * stride + 32);
  const zeros = new StaticArray<i32>(rows);
  for (let r = 0; r < rows; r++) zeros[r] = <i32>(bits() % 256) - (unsigned ? 0 : 128);
  const product = new Product();
  product.depth = depth;
  product.dot = dot;
  product.rhsZero = rhsZero;
  product.lhs = at(raw);
  product.lhsStride = stride;
  product.lhsUnsigned = unsigned ? 1 : 0;
  product.lhsZeros = at(zeros);
  const width = groups(depth, dot != PAIRS) * 4;
  const packed = new StaticArray<u8>(rows * width + 64);
  const words = <i32>ROW_SUMS_BYTES / 4;
  const rowSums = new StaticArray<i32>(rows * words + 1).fill(0x5a5a5a5a);
  pack_lhs(product, 0, rows, at(packed), at(rowSums));
  for (let r = 0; r < rows; r++) {
    let sum = 0;
    for (let k = 0; k < depth; k++) {
      const byte = raw[r * stride + k];
      const x = unsigned ? <i32>byte : <i32>(<i8>byte);
      sum += x - zeros[r];
      const from = at(packed) + r * width;
      const found = quads ? <i32>load<i8>(from + k) : <i32>load<i16>(from + 2 * k);
      compare(found, quads ? (unsigned ? x - 128 : x) : x - zeros[r], r * 1000 + k);
    }
    const start = -rhsZero * sum;
    compare(rowSums[r * words], 257 * start - 128 * sum, r);
    compare(rowSums[r * words + 1], start, r);
    compare(rowSums[r * words + 2], sum, r);
  }
  compare(rowSums[rows * words], 0x5a5a5a5a);
}

describe("packing", () => {
  it("rhs, any depth, side by side and apart", () => {
    for (let depth = 1; depth <= 70; depth++) {
      for (let n = 7; n <= 9; n++) {
        checkRhs(depth, n, true, depth % 2 == 0, false);
        checkRhs(depth, n, false, depth % 2 == 0, false);
        checkRhs(depth, n, true, depth % 2 == 0, true);
        checkRhs(depth, n, false, depth % 2 == 0, true);
      }
    }
    expect<string>(misses()).toBe("");
  });

  it("rhs, any number of columns", () => {
    for (let n = 1; n <= 40; n++) {
      checkRhs(37, n, true, n % 2 == 0, false);
      checkRhs(37, n, false, n % 2 == 0, true);
    }
    expect<string>(misses()).toBe("");
  });

  it("lhs, any depth and zero point, with its row sums", () => {
    for (let depth = 1; depth <= 70; depth++) {
      for (let rows = 1; rows <= 3; rows++) {
        checkLhs(rows, depth, false, PAIRS, 0);
        checkLhs(rows, depth, true, PAIRS, -77);
        checkLhs(rows, depth, rows == 2, TWO_STEP, 5);
      }
    }
    expect<string>(misses()).toBe("");
  });
});
