/**
 * The parameters of a call that has one of each: for a call on tensors, an allocation would cost as
 * much as the kernel. One record per instance, in its memory. A call writes what its kernel reads,
 * and reads back what the kernel has written, before any other call begins.
 */
import type { FreeList } from "./arena.ts";

/** Bytes of a record, in whole grains of the arena. */
const RECORD_BYTES = 64;

/** Where the fields of the record lie. */
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
  /** Eight f32: where gather_blocks_f32 makes the last values of a row. */
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
