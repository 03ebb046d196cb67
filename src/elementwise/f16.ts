/** IEEE half precision, f16, to and from f32. Halves are kept as their bits. */

import { type Data, inCall, operand, target } from "../core/call.ts";
import { checkOptions, rangeFault, typeFault } from "../core/check.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { Tensor } from "../core/tensor.ts";

/** What a Float16Array has in common with a Uint16Array: two bytes an element. Engines before 2025 lack it. */
export interface Float16Values extends ArrayBufferView {
  readonly length: number;
  readonly BYTES_PER_ELEMENT: number;
  readonly [Symbol.toStringTag]: "Float16Array";
}

/** Halves: their bits in a Uint16Array, or a Float16Array where the engine has one. */
export type Halves = Uint16Array | Float16Values;

/** The bytes of an array of halves, of any realm. */
export function bytesOfHalves(argument: string, value: unknown): Uint8Array {
  if (ArrayBuffer.isView(value)) {
    const tag = (value as unknown as { [Symbol.toStringTag]: string })[Symbol.toStringTag];
    if (tag === "Uint16Array" || tag === "Float16Array") {
      return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    }
  }
  throw typeFault(argument, "a Uint16Array or Float16Array", value);
}

/** The bytes of `n` halves that were given, found again in the memory if they lie there: growth detaches their array. */
function givenHalves(instance: Bytelane, bytes: Uint8Array, place: number, n: number): Uint8Array {
  return place < 0 ? bytes : instance.memory.view("u8", place, n * 2);
}

/** Whether `n` halves at an address and `n` f32 at another share no byte. */
function areApart(halves: number, n: number, reals: number): boolean {
  return halves + 2 * n <= reals || reals + 4 * n <= halves;
}

/**
 * f32 to f16: to the nearest, ties to even. From 65 520 on the result is Infinity, denormals are kept, and NaN is
 * 0x7e00 with its sign. An `out` in the memory of the instance is written where it is.
 */
export function toF16<H extends Halves = Uint16Array>(
  instance: Bytelane,
  x: Data<"f32">,
  options: { readonly out?: H } = {},
): H {
  checkInstance(instance);
  checkOptions("options", options, ["out"]);
  const source = operand(instance, "x", x, ["f32"]);
  const { length } = source;
  const out = (options.out ?? new Uint16Array(length)) as H;
  const bytes = bytesOfHalves("options.out", out);
  if (out.length !== length) throw rangeFault("options.out", `${length} elements`, out);
  const place = instance.memory.addressOf(bytes);
  return inCall(instance, (call) => {
    const src = call.input(source);
    const isDirect = place >= 0 && areApart(place, length, src);
    const dst = isDirect ? place : call.scratch(length * 2);
    instance.kernels.convert_f32_f16(src, dst, length);
    if (!isDirect) {
      givenHalves(instance, bytes, place, length).set(instance.memory.view("u8", dst, length * 2));
    }
    return out;
  });
}

/**
 * f16 to f32: exact. NaN keeps its sign and payload. Halves that lie in the memory of the instance, such as
 * `new Uint16Array(data.buffer, data.byteOffset, n)` with the `data` of a tensor of bytes, are read where they are.
 */
export function fromF16<O extends Data<"f32"> = Float32Array>(
  instance: Bytelane,
  x: Halves,
  options: { readonly out?: O } = {},
): O {
  checkInstance(instance);
  checkOptions("options", options, ["out"]);
  const bytes = bytesOfHalves("x", x);
  const { length } = x;
  const result = target(instance, options.out, "f32", [length], options.out instanceof Tensor);
  const place = instance.memory.addressOf(bytes);
  return inCall(instance, (call) => {
    const { address, value } = call.output(result);
    let src = place;
    if (place < 0 || !areApart(place, length, address)) {
      src = call.scratch(length * 2);
      instance.memory.view("u8", src, length * 2).set(givenHalves(instance, bytes, place, length));
    }
    instance.kernels.convert_f16_f32(src, address, length);
    return value as O;
  });
}
