/**
 * The tiles of superblocks against the sum of products. Records are filled with random bytes here,
 * and read by the pictures in superblock/tile.ts; rows are packed by superblock/pack.ts.
 */
import { FOUR_BITS, Product, SIX_BITS } from "../../../assembly/gemm/product";
import { packSuperblocks, superblockRowBytes } from "../../../assembly/superblock/pack";
import { superblocksOfFour, superblocksOfOne } from "../../../assembly/superblock/tile";
import { at, bits, compareReals, misses } from "../samples";

const DEPTH_OF_RECORD: i32 = 256;
const FOUR_BYTES: i32 = 1184;
const SIX_BYTES: i32 = 1680;
const ROWS: i32 = 4;
const PANELS: i32 = 2;

/** A normal f16 as a real. */
function half(address: usize): f32 {
  const x = <i32>load<u16>(address);
  const size = (<f32>1 + <f32>(x & 1023) / 1024) * <f32>2 ** <f32>(((x >> 10) & 31) - 15);
  return x & 0x8000 ? -size : size;
}

/** d or dmin of 8 columns: normal numbers of small size. */
function layHalves(to: usize, count: i32): void {
  for (let i = 0; i < count; i++) {
    const sign = bits() & 0x8000;
    store<u16>(to + i * 2, <u16>(sign | (0x1400 + (bits() & 0xfff))));
  }
}

/** Records of random codes; s and m of Q4_K have 6 bits. */
function layRecords(to: usize, count: i32, isSix: bool): void {
  const size = isSix ? SIX_BYTES : FOUR_BYTES;
  for (let i = 0; i < count; i++, to += size) {
    for (let b = 0; b < size; b++) store<u8>(to + b, <u8>bits());
    layHalves(to, isSix ? 8 : 16);
    if (!isSix) for (let b = 32; b < 160; b++) store<u8>(to + b, load<u8>(to + b) & 63);
  }
}

/** A code of column c at k of a record of Q4_K. */
function fourBits(record: usize, c: i32, k: i32): i32 {
  const byte = <i32>load<u8>(record + 160 + (k >> 2) * 16 + (c & 3) * 4 + (k & 3));
  return c < 4 ? byte & 15 : byte >> 4;
}

/** A code of column c at k of a record of Q6_K. */
function sixBits(record: usize, c: i32, k: i32): i32 {
  const eight = record + 144 + (k >> 3) * 48 + (c & 3) * 4 + (k & 3);
  const vector = ((k & 4) >> 1) + (c >> 2);
  if (vector < 3) return <i32>load<u8>(eight + vector * 16) & 63;
  const low = <i32>load<u8>(eight) >> 6;
  const middle = <i32>load<u8>(eight + 16) >> 6;
  return low | (middle << 2) | ((<i32>load<u8>(eight + 32) >> 6) << 4);
}

/** acc of a row and a column c of a panel, by the definition (docs/formats.md, F3b). */
function wanted(row: usize, panel: usize, records: i32, c: i32, isSix: bool): f32 {
  let acc: f32 = 0;
  for (let i = 0; i < records; i++) {
    const record = panel + i * (isSix ? SIX_BYTES : FOUR_BYTES);
    let sum = 0;
    let least = 0;
    for (let k = 0; k < DEPTH_OF_RECORD; k++) {
      const a = <i32>load<i8>(row + i * DEPTH_OF_RECORD + k);
      if (isSix) {
        sum += a * <i32>load<i8>(record + 16 + (k >> 4) * 8 + c) * (sixBits(record, c, k) - 32);
      } else {
        const block = (k >> 5) * 8 + c;
        sum += a * <i32>load<u8>(record + 32 + block) * fourBits(record, c, k);
        least += a * <i32>load<u8>(record + 96 + block);
      }
    }
    acc += <f32>sum * half(record + c * 2);
    if (!isSix) acc -= <f32>least * half(record + 16 + c * 2);
  }
  return acc;
}

function check(records: i32, isSix: bool, extreme: bool): void {
  const depth = records * DEPTH_OF_RECORD;
  const x = new StaticArray<i8>(depth * ROWS);
  for (let i = 0; i < x.length; i++) x[i] = extreme || bits() % 3 == 0 ? -128 : <i8>bits();
  const panelBytes = records * (isSix ? SIX_BYTES : FOUR_BYTES);
  const rhs = new StaticArray<u8>(panelBytes * PANELS);
  layRecords(at(rhs), records * PANELS, isSix);

  const product = new Product();
  product.depth = depth;
  product.codes = isSix ? SIX_BITS : FOUR_BITS;
  product.panels = at(rhs);
  product.lhsStride = depth;
  const packed = new StaticArray<u8>(<i32>superblockRowBytes(product) * ROWS);
  const sums = new StaticArray<i32>(32);
  const acc = new StaticArray<f32>(33).fill(7);
  for (let panel = 0; panel < PANELS; panel++) {
    packSuperblocks(product, at(x), ROWS, at(packed));
    superblocksOfFour(product, at(packed), panel, at(sums), at(acc));
    for (let i = 0; i < 32; i++) {
      const row = at(x) + (i >> 3) * depth;
      compareReals(acc[i], wanted(row, at(rhs) + panel * panelBytes, records, i & 7, isSix));
    }
  }
  packSuperblocks(product, at(x), 1, at(packed));
  superblocksOfOne(product, at(packed), 0, 1, at(sums), at(acc));
  for (let i = 0; i < 16; i++) {
    const panel = at(rhs) + (i >> 3) * panelBytes;
    compareReals(acc[i], wanted(at(x), panel, records, i & 7, isSix));
  }
  compareReals(acc[32], 7);
}

describe("tiles of superblocks", () => {
  it("of 4 bits, one to three superblocks", () => {
    for (let records = 1; records <= 3; records++) {
      check(records, false, false);
      check(records, false, true);
    }
    expect<string>(misses()).toBe("");
  });

  it("of 6 bits, one to three superblocks", () => {
    for (let records = 1; records <= 3; records++) {
      check(records, true, false);
      check(records, true, true);
    }
    expect<string>(misses()).toBe("");
  });
});
