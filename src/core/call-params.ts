/**
 * The parameters of calls with a single scale, zero point, multiplier and bias. They lie in one
 * record per instance, because allocating them would cost a call on tensors as much as its kernel.
 * A call writes its parameters, runs its kernel and reads the results back before another call
 * begins.
 */
import type { FreeList } from "./arena.ts";

/** Bytes of a record, in whole grains of the arena. */
const RECORD_BYTES = 64;

/** The addresses of the record's fields. */
export class CallParams {
  /** f32: the scale of quantize and dequantize, or the one that dynamic quantization finds. */
  readonly scale: number;
  /** i32: the zero point beside the scale. */
  readonly zeroPoint: number;
  /** f32: the multiplier of requantize. */
  readonly multiplier: number;
  /** i32: the bias of requantize. */
  readonly bias: number;
  /** Two f32: the min and the max of all values, or of the row that a kernel quantizes. */
  readonly extremes: number;
  /** Eight f32: scratch for the last values of a row in gather_blocks_f32. */
  readonly tail: number;
  readonly byteLength = RECORD_BYTES;

  constructor(arena: FreeList) {
    const record = arena.allocate(RECORD_BYTES);
    this.scale = record;
    this.zeroPoint = record + 4;
    this.multiplier = record + 8;
    this.bias = record + 12;
    this.extremes = record + 16;
    this.tail = record + 32;
  }
}
