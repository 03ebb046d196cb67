/**
 * IEEE half precision, f16, to and from f32. Halves are stored as their bits.
 *
 * @category Quantize and dequantize
 */

import { checkBytes } from "../core/array.ts";
import {
  type Data,
  inCall,
  type Operand,
  operand,
  type Reals,
  type Target,
  target,
} from "../core/call.ts";
import { checkOptions, rangeFault } from "../core/check.ts";
import type { Float16Values, OwnElements } from "../core/dtype.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";

/** Halves: their bits in a Uint16Array, or a Float16Array where the engine has one. */
export type Halves = Uint16Array | Float16Values;

const TAGS = ["Uint16Array", "Float16Array"];

/** The bytes of an array of halves. */
export function bytesOfHalves(argument: string, value: unknown): Uint8Array {
  return checkBytes(argument, value, TAGS, "a Uint16Array or Float16Array");
}

/** An array of halves as an operand of bytes. */
function halvesOperand(instance: Bytelane, argument: string, value: unknown): Operand<"u8"> {
  const bytes = bytesOfHalves(argument, value);
  const address = instance.heap.addressOf(bytes);
  return { dtype: "u8", length: bytes.length, shape: undefined, address, value: bytes };
}

/**
 * f32 to f16: to the nearest, ties to even. From 65 520 on the result is Infinity, denormals are
 * kept, and NaN is 0x7e00 with its sign. An `out` in the memory of the instance is written in
 * place.
 *
 * @example
 * ```ts
 * toF16(instance, Float32Array.of(1, -2)); // Uint16Array 0x3c00 0xc000
 * ```
 */
export function toF16(
  instance: Bytelane,
  x: Reals,
  options?: { readonly out?: undefined },
): ReturnType<Uint16Array["slice"]>;
export function toF16<H extends Halves>(
  instance: Bytelane,
  x: Reals,
  options: { readonly out: H },
): H;
export function toF16(
  instance: Bytelane,
  x: Reals,
  options: { readonly out?: Halves | undefined } = {},
): Halves {
  checkInstance(instance);
  checkOptions("options", options, ["out"]);
  const source = operand(instance, "x", x, ["f32"]);
  const { length } = source;
  const out = options.out ?? new Uint16Array(length);
  const given = halvesOperand(instance, "options.out", out);
  if (given.length !== length * 2) throw rangeFault("options.out", `${length} elements`, out);
  const result: Target<"u8"> = { ...given, shape: [length], given, asTensor: false };
  return inCall(instance, result, (call) => {
    const src = call.input(source);
    const { address } = call.output(result);
    instance.kernels.convert_f32_f16(src, address, length);
    return out;
  });
}

/**
 * f16 to f32: exact. NaN keeps its sign and payload. Halves that lie in the memory of the instance,
 * such as `new Uint16Array(data.buffer, data.byteOffset, n)` with the `data` of a tensor of bytes,
 * are read in place.
 *
 * @example
 * ```ts
 * fromF16(instance, Uint16Array.of(0x3c00, 0xc000)); // 1 -2
 * ```
 */
export function fromF16(
  instance: Bytelane,
  x: Halves,
  options?: { readonly out?: undefined },
): OwnElements["f32"];
export function fromF16<O extends Data<"f32">>(
  instance: Bytelane,
  x: Halves,
  options: { readonly out: O },
): O;
export function fromF16(
  instance: Bytelane,
  x: Halves,
  options: { readonly out?: Data<"f32"> | undefined } = {},
): Data<"f32"> {
  checkInstance(instance);
  checkOptions("options", options, ["out"]);
  const source = halvesOperand(instance, "x", x);
  const length = source.length / 2;
  const result = target(instance, options.out, "f32", [length], false);
  return inCall(instance, result, (call) => {
    const src = call.input(source);
    const { address, value } = call.output(result);
    instance.kernels.convert_f16_f32(src, address, length);
    return value;
  });
}
