/**
 * The epilogue against docs/math.md (6) to (8), one element at a time: corrections of zero points,
 * the order of f32 steps, bounds, and bytes beyond the rows.
 */
import { finish, shiftFor } from "../../../assembly/gemm/epilogue";
import { ROW_SUMS_BYTES } from "../../../assembly/gemm/pack";
import { Product } from "../../../assembly/gemm/product";
import { PAIRS } from "../../../assembly/lanes";
import { at, bits, compare, compareReals, misses, real } from "../samples";

const WORDS: i32 = 3;
const COLUMNS: i32 = 24;

function scaleOf(): f32 {
  return <f32>((bits() % 1000) + 1) / 4096;
}

class Case {
  acc: StaticArray<i32> = new StaticArray<i32>(0);
  rowSums: StaticArray<i32> = new StaticArray<i32>(0);
  rowScales: StaticArray<f32> = new StaticArray<f32>(0);
  columnScales: StaticArray<f32> = new StaticArray<f32>(COLUMNS);
  realBias: StaticArray<f32> = new StaticArray<f32>(COLUMNS);
  bias: StaticArray<i32> = new StaticArray<i32>(COLUMNS);
  zeros: StaticArray<i32> = new StaticArray<i32>(COLUMNS);
  product: Product = new Product();
}

function draw(rows: i32, result: i32, withBias: bool, withZeros: bool, manyScales: bool): Case {
  const given = new Case();
  given.acc = new StaticArray<i32>(rows * 8 + 8);
  given.rowSums = new StaticArray<i32>((rows + 16) * WORDS);
  given.rowScales = new StaticArray<f32>(rows + 16);
  for (let i = 0; i < given.acc.length; i++)
    given.acc[i] = <i32>bits() >> (12 + <i32>(bits() % 16));
  for (let i = 0; i < given.rowSums.length; i++) given.rowSums[i] = <i32>(bits() % 9999) - 5000;
  for (let i = 0; i < given.rowScales.length; i++) given.rowScales[i] = scaleOf();
  for (let c = 0; c < COLUMNS; c++) {
    given.columnScales[c] = scaleOf();
    given.realBias[c] = real();
    given.bias[c] = <i32>(bits() % 99999) - 50000;
    given.zeros[c] = <i32>(bits() % 256) - 128;
  }
  const product = given.product;
  product.dot = PAIRS;
  product.result = result;
  product.columnScales = at(given.columnScales);
  product.rowScale = 0.015625;
  if (manyScales) product.rowScales = at(given.rowScales);
  if (withZeros) product.rhsZeros = at(given.zeros);
  if (withBias) product.bias = result == 1 ? at(given.realBias) : at(given.bias);
  product.low = result == 1 ? -900 : result == 2 ? -120 : 3;
  product.high = result == 1 ? 1000 : result == 2 ? 127 : 250;
  product.zeroPoint = result == 2 ? -5 : result == 3 ? 11 : 0;
  return given;
}

/** Columns 8 to 15 of rows 4, 5 …: neither of them the first of the product. */
function check(rows: i32, result: i32, withBias: bool, withZeros: bool, manyScales: bool): void {
  const given = draw(rows, result, withBias, withZeros, manyScales);
  const product = given.product;
  const first = 4;
  const column = 8;
  const sums = StaticArray.fromArray(given.acc.slice(0));
  const size = result < 2 ? 4 : 1;
  const stride = 8 * size + 12;
  const dst = new StaticArray<u8>(rows * stride + 16).fill(0x5a);
  // row sums are those of the rows given, scales those of the product
  const shift = shiftFor(product);
  finish(product, at(sums), rows, at(given.rowSums), first, column, shift, at(dst), stride);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < 8; c++) {
      const place = r * 8 + c;
      let sum = given.acc[place];
      if (withZeros) sum -= given.rowSums[r * WORDS + 2] * given.zeros[column + c];
      if (withBias && result != 1) sum += given.bias[column + c];
      const from = at(dst) + r * stride + c * size;
      const rowScale = manyScales ? given.rowScales[first + r] : product.rowScale;
      const scale = rowScale * given.columnScales[column + c];
      if (result == 0) compare(load<i32>(from), sum, place);
      else if (result == 1) {
        const bias = withBias ? given.realBias[column + c] : -0.0;
        const y = <f32>sum * scale + bias;
        compareReals(load<f32>(from), max(min(y, product.high), product.low), place);
      } else {
        const low = <i32>product.low;
        const high = <i32>product.high;
        let q = <i32>nearest(<f32>sum * scale) + product.zeroPoint;
        q = max(min(q, high), low);
        compare(result == 2 ? <i32>load<i8>(from) : <i32>load<u8>(from), q, place);
      }
    }
    for (let i = 8 * size; i < stride; i++) compare(dst[r * stride + i], 0x5a, r);
  }
  for (let i = 0; i < 16; i++) compare(dst[rows * stride + i], 0x5a);
}

describe("epilogue", () => {
  it("is (8) for every result, bias, zero point and scale", () => {
    compare(<i32>ROW_SUMS_BYTES, WORDS * 4);
    for (let rows = 0; rows <= 17; rows++) {
      for (let result = 0; result < 4; result++) {
        for (let mask = 0; mask < 8; mask++) {
          check(rows, result, (mask & 1) != 0, (mask & 2) != 0, (mask & 4) != 0);
        }
      }
    }
    expect<string>(misses()).toBe("");
  });
});
