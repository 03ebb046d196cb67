/**
 * Where the operands of a fuzzed call lie. In an instance's memory every operand has guard bytes:
 *
 *   │ guard 64 │ shift │ elements │ guard 64 │
 *
 * After the call the guards must be as before, operands too, and all bytes must be given back.
 */
import fc from "fast-check";
import { Tensor } from "../../src/core/tensor.ts";
import { type Bytelane, tensor } from "../../src/entries/index.ts";
import { ARRAYS, type DType, type Elements } from "./data.ts";

const GUARD = 64;
const SENTINEL = 0xa5;

/** A wrong answer, as opposed to a trap or an error. */
export class Mismatch extends Error {}

export const places = fc.record({
  /** A typed array, one that begins within its buffer, a tensor, or a view on the memory. */
  where: fc.constantFrom("array", "inside", "tensor", "view"),
  /** Elements before it within its buffer, or before a view. */
  shift: fc.integer({ min: 0, max: 5 }),
});
export type Place = {
  readonly where: "array" | "inside" | "tensor" | "view";
  readonly shift: number;
};

/** An operand: `get` makes it, at the very call, since growth of the memory detaches views. */
export interface Operand {
  get(): Elements | Tensor;
  values(): Elements;
}

/** The operands of one call. */
export class World {
  readonly instance: Bytelane;
  readonly #before: number;
  readonly #ends: (() => void)[] = [];
  readonly #checks: (() => void)[] = [];

  constructor(instance: Bytelane) {
    this.instance = instance;
    this.#before = instance.bytesUsed;
  }

  /** An operand with these values, which the call must leave alone. */
  input(values: Elements, place: Place, shape: readonly number[] = [values.length]): Operand {
    const operand = this.#place(dtypeOf(values), values.length, place, shape, values);
    this.#checks.push(() => expectSame(operand.values(), values, "an operand"));
    return operand;
  }

  /** Where a result goes, or undefined where the call makes it. */
  output(dtype: DType, length: number, place: Place | undefined): Operand | undefined {
    return place && this.#place(dtype, length, place, [length]);
  }

  /** What must be disposed after the call. */
  keep<H extends { dispose(): void }>(handle: H): H {
    this.#ends.push(() => handle.dispose());
    return handle;
  }

  /** The elements of a result; a tensor that the call made is disposed with the rest. */
  read(result: Elements | Tensor, output?: Operand): Elements {
    if (output) return output.values().slice();
    return result instanceof Tensor ? this.keep(result).toArray() : result;
  }

  /** Checks guards and operands, disposes, and says how many bytes were not given back. */
  end(): number {
    try {
      for (const check of this.#checks) check();
    } finally {
      for (const end of this.#ends) end();
    }
    return this.instance.bytesUsed - this.#before;
  }

  #place(
    dtype: DType,
    length: number,
    { where, shift }: Place,
    shape: readonly number[],
    values?: Elements,
  ): Operand {
    const Type = ARRAYS[dtype];
    if (where === "tensor") {
      const handle = this.keep(tensor(this.instance, dtype, [...shape]));
      if (values) handle.data.set(values);
      return { get: () => handle, values: () => handle.data };
    }
    if (where === "view") return this.#view(dtype, length, shift, values);
    const whole = new Type(where === "inside" ? length + shift + 3 : length);
    const part = where === "inside" ? whole.subarray(shift, shift + length) : whole;
    if (values) part.set(values);
    return { get: () => part, values: () => part };
  }

  #view(dtype: DType, length: number, shift: number, values?: Elements): Operand {
    const Type = ARRAYS[dtype];
    const size = Type.BYTES_PER_ELEMENT;
    const host = this.keep(tensor(this.instance, "u8", [2 * GUARD + (length + shift) * size]));
    host.data.fill(SENTINEL);
    const start = GUARD + shift * size;
    const get = () => {
      const { buffer, byteOffset } = host.data;
      return new Type(buffer as ArrayBuffer, byteOffset + start, length);
    };
    if (values) get().set(values);
    this.#checks.push(() => {
      const isSound = (byte: number, i: number) =>
        (i >= start && i < start + length * size) || byte === SENTINEL;
      if (!host.data.every(isSound)) throw new Mismatch("a byte beside an operand was written");
    });
    return { get, values: get };
  }
}

function dtypeOf(values: Elements): DType {
  const found = Object.entries(ARRAYS).find(([, Type]) => values instanceof Type);
  return found![0] as DType;
}

/**
 * Equal to the bit, as far as JavaScript sees: −0 is not 0, NaN is NaN. Names the first difference.
 */
export function expectSame(got: ArrayLike<number>, wanted: ArrayLike<number>, what: string): void {
  if (got.length !== wanted.length) {
    throw new Mismatch(`${what} has ${got.length} elements instead of ${wanted.length}`);
  }
  for (let i = 0; i < wanted.length; i++) {
    if (!Object.is(got[i], wanted[i])) {
      throw new Mismatch(`${what}: element ${i} is ${got[i]} instead of ${wanted[i]}`);
    }
  }
}

/** Equal within a bound for each element. */
export function expectNear(
  got: ArrayLike<number>,
  wanted: ArrayLike<number>,
  bound: (wanted: number, i: number) => number,
  what: string,
): void {
  if (got.length !== wanted.length) {
    throw new Mismatch(`${what} has ${got.length} elements instead of ${wanted.length}`);
  }
  for (let i = 0; i < wanted.length; i++) {
    if (Object.is(got[i], wanted[i])) continue;
    if (!(Math.abs(got[i] - wanted[i]) <= bound(wanted[i], i))) {
      throw new Mismatch(`${what}: element ${i} is ${got[i]} instead of about ${wanted[i]}`);
    }
  }
}
