/**
 * ONNX Runtime's quantizer for MatMulNBits, from its source (mlas, q4_dq.cpp): one column of B
 * after the other, block by block, everything in f32.
 */
const f = Math.fround;

export interface Column {
  codes: number[];
  scales: number[];
  zeros: number[];
}

/** C's roundf. */
function roundf(x: number): number {
  const below = Math.floor(Math.abs(x));
  return Math.sign(x) * (Math.abs(x) - below >= 0.5 ? below + 1 : below);
}

export function quantizeColumn(
  column: readonly number[],
  bits: number,
  blockSize: number,
  withZeros: boolean,
): Column {
  const most = 2 ** bits - 1;
  const result: Column = { codes: [], scales: [], zeros: [] };
  for (let at = 0; at < column.length; at += blockSize) {
    const block = column.slice(at, at + blockSize);
    let min = Math.min(...block);
    let max = Math.max(...block);
    let scale: number;
    let zero = 2 ** (bits - 1);
    if (withZeros) {
      min = Math.min(min, 0);
      max = Math.max(max, 0);
      scale = f(f(max - min) / most);
      const exact = scale !== 0 ? f(0 - f(min / scale)) : min;
      zero = exact < 0 ? 0 : exact > most ? most : roundf(exact);
    } else {
      scale = f(-(Math.abs(max) > Math.abs(min) ? max : min) / 2 ** (bits - 1));
    }
    const inverse = scale ? f(1 / scale) : 0;
    for (const value of block) {
      result.codes.push(Math.min(Math.max(roundf(f(f(value * inverse) + zero)), 0), most));
    }
    result.scales.push(scale);
    result.zeros.push(zero);
  }
  return result;
}

/**
 * The initializers of one column: codes with the first one low, filled up with zeros to whole
 * blocks; and zero points.
 */
export function packColumn(
  { codes, zeros }: Column,
  bits: number,
  blockSize: number,
): { values: number[]; zeroPoints: number[] } {
  const blocks = Math.ceil(codes.length / blockSize);
  const pack = (list: readonly number[], count: number): number[] => {
    const bytes = new Array(Math.ceil((count * bits) / 8)).fill(0);
    list.forEach((code, i) => {
      bytes[Math.floor((i * bits) / 8)] += code * 2 ** ((i * bits) % 8);
    });
    return bytes;
  };
  return { values: pack(codes, blocks * blockSize), zeroPoints: pack(zeros, blocks) };
}
