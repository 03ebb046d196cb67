/**
 * Codes of 4 or 2 bits, packed into bytes with the first code in the lowest bits, as in ONNX.
 *
 * @category Narrow integers
 */

import { type Data, elementsOf, inCall, operand } from "../core/call.ts";
import { checkInteger, checkOneOf, checkOptions, rangeFault } from "../core/check.ts";
import type { OwnElements } from "../core/dtype.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";

/** Bits of a packed code. */
export type PackedBits = 2 | 4;

/** How wide codes are: 8 / bits of them share a byte. */
export interface PackedOptions {
  /** 4 or 2. Default 4. */
  readonly bits?: PackedBits;
}

/**
 * How wide codes are, and whether they have a sign: 4 bits hold [−8, 7] or [0, 15], 2 bits [−2, 1]
 * or [0, 3].
 */
export interface UnpackOptions<S extends boolean> extends PackedOptions {
  /**
   * True for codes in two's complement, unpacked to an Int8Array. False for codes from 0 on,
   * unpacked to a Uint8Array. Default false.
   */
  readonly signed?: S;
}

/**
 * Packs the low bits of codes, signed or not: two codes per byte for 4 bits, four per byte for 2
 * bits. The last byte is padded with zeros.
 *
 * Errors: a code that does not fit the bits.
 *
 * @example
 * ```ts
 * packBits(instance, Int8Array.of(-8, 7, 1, 0), { bits: 4 }); // 2 bytes
 * ```
 */
export function packBits(
  instance: Bytelane,
  codes: Data<"i8" | "u8">,
  options: PackedOptions = {},
): OwnElements["u8"] {
  checkInstance(instance);
  const source = operand(instance, "codes", codes, ["i8", "u8"]);
  checkOptions("options", options, ["bits"]);
  const bits = checkOneOf("options.bits", options.bits ?? 4, [2, 4] as const);
  const low = source.dtype === "i8" ? -(2 ** (bits - 1)) : 0;
  const high = low + 2 ** bits - 1;
  const values = elementsOf(instance, source);
  for (const code of values) {
    if (code < low || code > high) throw rangeFault("codes", `codes in [${low}, ${high}]`, code);
  }
  const bytes = Math.ceil((source.length * bits) / 8);
  return inCall(instance, (call) => {
    const src = call.input(source);
    const dst = call.scratch(bytes);
    instance.kernels.pack_bits(src, dst, source.length, bits);
    return instance.heap.view("u8", dst, bytes).slice();
  });
}

/**
 * The inverse of `packBits`, for `length` codes. Errors: bytes that hold fewer or more.
 *
 * @example
 * ```ts
 * unpackBits(instance, Uint8Array.of(0x78), 2, { bits: 4, signed: true }); // -8 7
 * ```
 */
export function unpackBits<S extends boolean = false>(
  instance: Bytelane,
  packed: Uint8Array,
  length: number,
  options: UnpackOptions<S> = {},
): S extends true ? OwnElements["i8"] : OwnElements["u8"] {
  checkInstance(instance);
  const source = operand(instance, "packed", packed, ["u8"]);
  checkOptions("options", options, ["bits", "signed"]);
  const bits = checkOneOf("options.bits", options.bits ?? 4, [2, 4] as const);
  checkInteger("length", length, 0, 2 ** 32);
  const bytes = Math.ceil((length * bits) / 8);
  if (source.length !== bytes) {
    throw rangeFault("packed", `${bytes} bytes for ${length} codes of ${bits} bits`, packed);
  }
  const signed = options.signed === true;
  return inCall(instance, (call) => {
    const src = call.input(source);
    const dst = call.scratch(length);
    instance.kernels.unpack_bits(src, dst, length, bits, signed ? 1 : 0);
    return instance.heap.view(signed ? "i8" : "u8", dst, length).slice() as never;
  });
}
