/**
 * Matrices of codes in blocks.
 *
 * @category Four bits
 */
import { checkBytes } from "../core/array.ts";
import { checkInteger, checkObject, checkOneOf, rangeFault, typeFault } from "../core/check.ts";
import { tagOf } from "../core/dtype.ts";

/** Number of elements that share a scale: a power of two, or a whole row. */
export type BlockSize = 16 | 32 | 64 | 128 | 256 | 512 | "channel";
export const BLOCK_SIZES = [16, 32, 64, 128, 256, 512, "channel"] as const;

/**
 * Rows of codes of 4 bits, or of 8, in blocks. A block has a scale and a zero point,
 * value = (code − zeroPoint) · scale, or a real offset instead, value = code · scale + offset. The
 * layout is that of the operands of ONNX Runtime's MatMulNBits (docs/formats.md), a row being an
 * output channel.
 */
export interface Int4Matrix {
  /** Output channels, or rows of a table. */
  readonly outFeatures: number;
  /** Input features, or elements of a table's row: at most 2^20. */
  readonly inFeatures: number;
  /** Codes that share a scale: 16 to 512, or a whole row, in a multiple of 4. */
  readonly blockSize: number;
  /** Bits of a code. Default 4. */
  readonly bits?: 4 | 8;
  /**
   * [rows][blocks][blockSize · bits / 8]: codes from 0 on; of 4 bits two per byte, the low nibble
   * first.
   */
  readonly values: Uint8Array;
  /** [rows][blocks]: f32, or the bits of f16. */
  readonly scale: Float32Array | Uint16Array;
  /**
   * Bytes, packed like the codes: [rows][⌈blocks · bits / 8⌉]. Or reals [rows][blocks], which need
   * not be whole. Without them every zero point is 8, of 8 bits 128.
   */
  readonly zeroPoint?: Uint8Array | Float32Array | undefined;
  /** [rows][blocks], f32 or the bits of f16: added to code · scale. Excludes zero points. */
  readonly offset?: Float32Array | Uint16Array | undefined;
}

/** The counts that follow from a matrix. */
export interface Int4Extent {
  readonly blocks: number;
  readonly bits: 4 | 8;
  /** Bytes of codes, and of zero points, in a row. */
  readonly rowBytes: number;
  readonly zeroBytes: number;
  /** Scales are f16. */
  readonly halves: boolean;
}

export function blockSizeOf(blockSize: BlockSize, columns: number): number {
  return blockSize === "channel" ? Math.ceil(columns / 4) * 4 : blockSize;
}

/** One real per block: f32, or the bits of f16. */
export type Reals = Float32Array | Uint16Array;

/** The bytes of reals. */
export function bytesOfReals({ buffer, byteOffset, byteLength }: Reals): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/**
 * A checked matrix. Each property was read once. `values` is a view of this realm, the other arrays
 * are copies.
 */
export interface CheckedMatrix extends Int4Extent {
  readonly rows: number;
  readonly columns: number;
  readonly blockSize: number;
  readonly values: Uint8Array;
  readonly scales: Reals;
  readonly zeros: Uint8Array | undefined;
  /** Zero points that are reals. */
  readonly realZeros: Reals | undefined;
  readonly offsets: Reals | undefined;
}

/** The most input features of 8-bit codes in one block: the sums of a block fit i32. */
export const LONGEST_BYTES = 65_536;

const REALS = ["Float32Array", "Uint16Array"];

/** Checks a caller's matrix: first the sizes, then that every scale is a finite number. */
export function checkMatrix(argument: string, matrix: Int4Matrix): CheckedMatrix {
  checkObject(argument, matrix);
  const { outFeatures, inFeatures, blockSize, values, scale, zeroPoint, offset } = matrix;
  const rows = checkInteger(`${argument}.outFeatures`, outFeatures, 1, 2 ** 31 - 1);
  const columns = checkInteger(`${argument}.inFeatures`, inFeatures, 1, 2 ** 20);
  const bits = checkOneOf(`${argument}.bits`, matrix.bits ?? 4, [4, 8] as const);
  if (blockSize !== blockSizeOf("channel", columns)) {
    checkOneOf(`${argument}.blockSize`, blockSize, [16, 32, 64, 128, 256, 512]);
  } else if (bits === 8) checkInteger(`${argument}.blockSize`, blockSize, 1, LONGEST_BYTES);
  const blocks = Math.ceil(columns / blockSize);
  const rowBytes = (blocks * blockSize * bits) / 8;
  const zeroBytes = Math.ceil((blocks * bits) / 8);
  const codes = checkBytes(`${argument}.values`, values, ["Uint8Array"], "a Uint8Array");
  if (codes.length !== rows * rowBytes) {
    throw rangeFault(`${argument}.values`, `${rows * rowBytes} bytes`, values);
  }
  const scales = checkReals(`${argument}.scale`, scale, rows * blocks);
  const halves = scales instanceof Uint16Array;
  const isReal = tagOf(zeroPoint) === "Float32Array";
  const realZeros = isReal
    ? checkReals(`${argument}.zeroPoint`, zeroPoint, rows * blocks)
    : undefined;
  const zeros =
    isReal || zeroPoint === undefined
      ? undefined
      : checkBytes(
          `${argument}.zeroPoint`,
          zeroPoint,
          ["Uint8Array"],
          "a Uint8Array or a Float32Array",
        ).slice();
  if (zeros && zeros.length !== rows * zeroBytes) {
    throw rangeFault(`${argument}.zeroPoint`, `${rows * zeroBytes} bytes`, zeroPoint);
  }
  if (offset !== undefined && zeroPoint !== undefined) {
    throw typeFault(`${argument}.zeroPoint`, "nothing, since there is an offset", zeroPoint);
  }
  const offsets =
    offset === undefined ? undefined : checkReals(`${argument}.offset`, offset, rows * blocks);
  return {
    ...{ rows, columns, blockSize, bits, blocks, rowBytes, zeroBytes, halves },
    ...{ values: codes, scales, zeros, realZeros, offsets },
  };
}

/** A copy of finite reals, one per block. */
function checkReals(argument: string, values: unknown, count: number): Reals {
  const expected = "a Float32Array, or a Uint16Array of f16";
  const { buffer } = checkBytes(argument, values, REALS, expected).slice();
  const halves = tagOf(values) === "Uint16Array";
  const list = halves ? new Uint16Array(buffer) : new Float32Array(buffer);
  if (list.length !== count) throw rangeFault(argument, `${count} values`, values);
  for (const value of list) {
    if (halves ? (value & 0x7c00) === 0x7c00 : !Number.isFinite(value)) {
      throw rangeFault(argument, "finite numbers", value);
    }
  }
  return list;
}

/** Checks a matrix with codes of 4 bits, whose zero points must be integers. */
export function checkNibbles(argument: string, matrix: Int4Matrix): CheckedMatrix {
  const checked = checkMatrix(argument, matrix);
  const { bits, offsets, realZeros } = checked;
  if (bits === 8) throw rangeFault(`${argument}.bits`, "4", 8);
  if (offsets) throw typeFault(`${argument}.offset`, "none", offsets);
  if (realZeros) throw typeFault(`${argument}.zeroPoint`, "a Uint8Array", realZeros);
  return checked;
}

/**
 * Bits per weight, including scales, zero points and offsets. Errors: a value that is no such
 * matrix.
 *
 * @example
 * ```ts
 * bitsPerWeight(quantizeInt4(instance, weights, { shape: [384, 96] })); // 4.5
 * ```
 */
export function bitsPerWeight(matrix: Int4Matrix): number {
  const { rows, columns, values, scales, ...beside } = checkMatrix("matrix", matrix);
  const { zeros, realZeros, offsets } = beside;
  let bytes = 0;
  for (const part of [values, scales, zeros, realZeros, offsets]) bytes += part?.byteLength ?? 0;
  return (8 * bytes) / (rows * columns);
}
