/**
 * How data come into one call and leave it. An operand is a tensor of the instance, a view on its memory, or a
 * plain typed array; only the last is copied. A call gives the copies room and takes it back at the end.
 */
import { countOf, rangeFault, typeFault } from "./check.ts";
import { ARRAYS, BYTES, type DType, dtypeOf, type Elements } from "./dtype.ts";
import { checkHandle } from "./handle.ts";
import type { Bytelane } from "./instance.ts";
import { Tensor } from "./tensor.ts";

/** What operations accept as data. */
export type Data<T extends DType = DType> = Elements[T] | Tensor<T>;

/** The result in kind: tensors give tensors, typed arrays give typed arrays. */
export type InKind<X, T extends DType> = X extends Tensor ? Tensor<T> : Elements[T];

/** A checked operand. */
export interface Operand<T extends DType = DType> {
  readonly dtype: T;
  readonly length: number;
  /** The tensor's shape, or undefined for a typed array. */
  readonly shape: readonly number[] | undefined;
  /** Where it lies already, or -1 for a typed array that must be copied in. */
  readonly address: number;
  readonly value: Elements[T] | Tensor<T>;
}

/** Checks an operand's kind, and its length where one is given. */
export function operand<T extends DType>(
  instance: Bytelane,
  argument: string,
  value: unknown,
  dtypes: readonly T[],
  length?: number,
): Operand<T> {
  let checked: Operand<T>;
  if (value instanceof Tensor) {
    const { dtype, length, shape, address } = checkHandle(argument, value, instance) as Tensor<T>;
    checked = { dtype, length, shape, address, value: value as Tensor<T> };
  } else {
    const dtype = dtypeOf(value) as T | undefined;
    if (!dtype)
      throw typeFault(argument, `a tensor or typed array of ${dtypes.join(" or ")}`, value);
    const array = value as Elements[T];
    const address = instance.memory.addressOf(array);
    checked = { dtype, length: array.length, shape: undefined, address, value: array };
  }
  if (!dtypes.includes(checked.dtype)) {
    throw typeFault(argument, `elements of ${dtypes.join(" or ")}`, value);
  }
  if (length !== undefined && checked.length !== length) {
    throw rangeFault(argument, `${length} elements`, value);
  }
  return checked;
}

/** The result of an operation before it has run: a given destination, or a new one in kind. */
export interface Target<T extends DType> {
  readonly dtype: T;
  readonly length: number;
  readonly shape: readonly number[];
  /** What the caller gave as `out`. */
  readonly given: Operand<T> | undefined;
  readonly asTensor: boolean;
}

/** Checks `out`, or notes that a result of this kind is to be made. */
export function target<T extends DType>(
  instance: Bytelane,
  out: unknown,
  dtype: T,
  shape: readonly number[],
  asTensor: boolean,
): Target<T> {
  const length = countOf(shape);
  const given =
    out === undefined ? undefined : operand(instance, "options.out", out, [dtype], length);
  return { dtype, length, shape, given, asTensor };
}

/** Rows that were quantized before. What data are is asked first: looking for properties takes as long as a small product. */
export function isRows<R>(x: unknown): x is R {
  if (x instanceof Tensor || ArrayBuffer.isView(x)) return false;
  return typeof x === "object" && x !== null && "values" in x && "scale" in x;
}

/** The dimensions of x with other columns. A copy of two would cost as much as a small product. */
export function shapeOfRows(x: Operand, rows: number, columns: number): readonly number[] {
  const { shape } = x;
  return shape && shape.length !== 2 ? [...shape.slice(0, -1), columns] : [rows, columns];
}

/** The result of an operation: where the kernel writes it, and what the caller gets. */
export interface Written<T extends DType> {
  readonly address: number;
  readonly value: Elements[T] | Tensor<T>;
}

/** The room of one call. Lists are made when something enters them: most calls on tensors need none. */
export class Call {
  readonly #instance: Bytelane;
  #blocks: number[] | undefined;
  #copies: Written<DType>[] | undefined;
  #made: Tensor[] | undefined;

  constructor(instance: Bytelane) {
    this.#instance = instance;
  }

  /** Room for `bytes`, until the call ends. */
  scratch(bytes: number): number {
    const address = this.#instance.arena.allocate(bytes);
    // a list that begins empty makes room for 16 at its first entry
    if (this.#blocks) this.#blocks.push(address, bytes);
    else this.#blocks = [address, bytes];
    return address;
  }

  /** The address of an operand's elements; a typed array is copied in. */
  input(source: Operand): number {
    if (source.address >= 0) return source.address;
    return this.copyIn(source.dtype, source.value as Elements[DType]);
  }

  /** Copies values in, or one number `count` times. */
  copyIn(
    dtype: DType,
    values: number | ArrayLike<number>,
    count = (values as ArrayLike<number>).length,
  ): number {
    const address = this.scratch(count * BYTES[dtype]);
    const view = this.#instance.memory.view(dtype, address, count);
    if (typeof values === "number") view.fill(values);
    else view.set(values);
    return address;
  }

  /** The address where a result is to be written, and the value that the operation returns. */
  output<T extends DType>(result: Target<T>): Written<T> {
    const { given, dtype, length } = result;
    if (given) {
      if (given.address >= 0) return given;
    } else if (result.asTensor) {
      const made = new Tensor(this.#instance, dtype, result.shape);
      this.#made ??= [];
      this.#made.push(made);
      return { address: made.address, value: made };
    }
    const address = this.scratch(length * BYTES[dtype]);
    const value = (given?.value ?? new ARRAYS[dtype](length)) as Elements[T];
    const copy = { address, value };
    this.#copies ??= [];
    this.#copies.push(copy);
    return copy;
  }

  /** Ends the call: results are copied out if it went well, made tensors are dropped if it did not. */
  end(done: boolean): void {
    const { arena, memory } = this.#instance;
    if (!done) for (const made of this.#made ?? []) made.dispose();
    else {
      for (const { address, value } of this.#copies ?? []) {
        const array = value as Elements[DType];
        array.set(memory.view(dtypeOf(array) as DType, address, array.length));
      }
    }
    // the last one first: each joins the free block behind it
    const blocks = this.#blocks ?? [];
    while (blocks.length) {
      const bytes = blocks.pop() as number;
      arena.free(blocks.pop() as number, bytes);
    }
  }
}

/** Runs `body` with a call. Temporary room is given back whether it returns or throws. */
export function inCall<R>(instance: Bytelane, body: (call: Call) => R): R {
  const call = new Call(instance);
  let done = false;
  try {
    const result = body(call);
    done = true;
    return result;
  } finally {
    // what a pooled call has placed is read when its products run
    if (done && instance.openCalls) instance.openCalls.push(call);
    else call.end(done);
  }
}
