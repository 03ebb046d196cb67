/**
 * Weights [depth, n] strip by strip, a few columns at a time: the memory never holds an unpacked
 * copy of all weights beside the packed ones.
 */
import { type Call, elementsOf, type Operand } from "../core/call.ts";
import { BYTES, type DType } from "../core/dtype.ts";
import type { Bytelane } from "../core/instance.ts";

/** Some columns in memory, a multiple of eight but for the last strip. */
export interface Strip {
  /** The first column, and how many. */
  readonly first: number;
  readonly count: number;
  /** Address of the first column's first element. */
  readonly address: number;
  /** Elements between two k of a column, and between two columns of a k. One of them is 1. */
  readonly strideK: number;
  readonly strideN: number;
}

/**
 * Calls `body` with one strip after the other. A strip may overwrite the memory of the one before.
 */
export type EachStrip = (body: (strip: Strip) => void) => void;

/** Elements of a strip: 1 MiB of reals, which fit the cache of a core. */
const ELEMENTS = 2 ** 18;

/** Columns of a strip of a depth: eight at least. */
export function stripColumns(depth: number, n: number): number {
  return Math.min(Math.ceil(n / 8), Math.max(1, Math.floor(ELEMENTS / depth / 8))) * 8;
}

/** All columns at once, where they lie in memory. */
export function oneStrip(
  address: number,
  n: number,
  [strideK, strideN]: readonly [number, number],
): EachStrip {
  return (body) => body({ first: 0, count: n, address, strideK, strideN });
}

/**
 * The strips of weights that lie as [depth, n] ("in-out") or [n, depth] ("out-in"). If a strip is
 * one contiguous run in wasm memory, it is read in place. Otherwise it is copied to scratch.
 */
export function stripsOf<T extends DType>(
  instance: Bytelane,
  call: Call,
  source: Operand<T>,
  { depth, n, isOutIn }: { depth: number; n: number; isOutIn: boolean },
): EachStrip {
  const { dtype, address } = source;
  const size = BYTES[dtype];
  const most = stripColumns(depth, n);
  const whole = most >= n;
  if (address >= 0 && whole) return oneStrip(address, n, isOutIn ? [1, depth] : [n, 1]);
  const stays = address >= 0 && isOutIn;
  let scratch = 0;
  return (body) => {
    // allocated at the first strip, so that the packed weights lie below it
    if (!stays) scratch ||= call.scratch(depth * Math.min(most, n) * size);
    for (let first = 0; first < n; first += most) {
      const count = Math.min(most, n - first);
      if (stays) {
        const at = address + first * depth * size;
        body({ first, count, address: at, strideK: 1, strideN: depth });
        continue;
      }
      // read again for each strip: growth detaches views of the memory
      const from = elementsOf(instance, source);
      const to = instance.heap.view(dtype, scratch, depth * count);
      if (isOutIn || whole) {
        to.set(from.subarray(first * depth, (first + count) * depth));
      } else {
        for (let k = 0, at = first; k < depth; k++, at += n) {
          to.set(from.subarray(at, at + count), k * count);
        }
      }
      const [strideK, strideN] = isOutIn ? [1, depth] : [count, 1];
      body({ first, count, address: scratch, strideK, strideN });
    }
  };
}
