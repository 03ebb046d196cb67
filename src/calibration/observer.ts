/** What every observer offers: it watches data batch by batch and proposes a clipping range. */
import type { Data } from "../frame.ts";
import type { Params, SchemeOptions } from "../params.ts";

/** A clipping range: numbers per tensor, arrays per channel. */
export interface ObservedRange {
  readonly min: number | Float32Array;
  readonly max: number | Float32Array;
}

export interface Observer {
  /** Watches one batch; per channel, `shape` says how plain data are laid out. */
  observe(data: Data<"f32">, options?: { readonly shape?: readonly number[] }): this;
  /** The clipping range so far. Throws before any number was seen. */
  range(): ObservedRange;
  /** Scale and zero point of that range. */
  params(options?: SchemeOptions): Params;
}
