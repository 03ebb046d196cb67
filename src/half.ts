/** IEEE half precision, f16, to and from f32. Halves are kept as their bits. */
import { rangeFault, typeFault } from "./check.ts";
import { type Data, framed, operand, target } from "./frame.ts";
import { type Bytelane, checkLane } from "./lane.ts";
import { Tensor } from "./tensor.ts";

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

/**
 * f32 to f16: to the nearest, ties to even. From 65 520 on the result is Infinity, denormals are kept, and NaN is
 * 0x7e00 with its sign.
 */
export function toHalf<H extends Halves = Uint16Array>(
  lane: Bytelane,
  x: Data<"f32">,
  options: { readonly out?: H } = {},
): H {
  checkLane(lane);
  const source = operand(lane, "x", x, ["f32"]);
  const { length } = source;
  const out = (options.out ?? new Uint16Array(length)) as H;
  const bytes = bytesOfHalves("options.out", out);
  if (out.length !== length) throw rangeFault("options.out", `${length} elements`, out);
  return framed(lane, (frame) => {
    const src = frame.read(source);
    const dst = frame.room(length * 2);
    lane.kernels.convert_f32_f16(src, dst, length);
    bytes.set(lane.arena.view("u8", dst, length * 2));
    return out;
  });
}

/** f16 to f32: exact. NaN keeps its sign and payload. */
export function fromHalf<O extends Data<"f32"> = Float32Array>(
  lane: Bytelane,
  x: Halves,
  options: { readonly out?: O } = {},
): O {
  checkLane(lane);
  const bytes = bytesOfHalves("x", x);
  const { length } = x;
  const result = target(lane, options.out, "f32", [length], options.out instanceof Tensor);
  return framed(lane, (frame) => {
    const src = frame.place("u8", bytes);
    const { address, value } = frame.write(result);
    lane.kernels.convert_f16_f32(src, address, length);
    return value as O;
  });
}
