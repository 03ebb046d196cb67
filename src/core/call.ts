/**
 * How data come into one call and leave it. An operand is a tensor of the instance, a view on its
 * memory, or a plain typed array; only the last is copied. Scratch memory lasts until the call
 * ends.
 *
 * @category Data
 */
import {
  type AnyArray,
  checkLength,
  copyTo,
  ownElementsOf as elementsOfArray,
  lengthOf,
} from "./array.ts";
import { checkInteger, countOf, rangeFault, typeFault } from "./check.ts";
import { dataFault } from "./data-fault.ts";
import {
  ARRAYS,
  BYTES,
  type DType,
  dtypeOf,
  type Elements,
  type Float16Values,
  type OwnElements,
  tagOf,
} from "./dtype.ts";
import { checkHandle } from "./handle.ts";
import { type Bytelane, checkInstance } from "./instance.ts";
import { isTensor, Tensor } from "./tensor.ts";

/** What operations accept as data. */
export type Data<T extends DType = DType> = Elements[T] | Tensor<T>;

/** Real numbers that are read: a Float16Array too, which is widened for the call. */
export type Reals = Data<"f32"> | Float16Values;

/** The result in kind: tensors give tensors, typed arrays give typed arrays. */
export type InKind<X, T extends DType> = X extends Tensor ? Tensor<T> : OwnElements[T];

/** A checked operand. */
export interface Operand<T extends DType = DType> {
  readonly dtype: T;
  readonly length: number;
  /** The tensor's shape, or undefined for a typed array. */
  readonly shape: readonly number[] | undefined;
  /** Its address in the memory, or -1 for a typed array that must be copied in. */
  readonly address: number;
  readonly value: Elements[T] | Tensor<T>;
}

/** The bits of the largest f32. */
const LARGEST_BITS = 0x7f7fffff;

/** Checks an operand's kind, and its length where one is given. Halves count as reals. */
export function operand<T extends DType>(
  instance: Bytelane,
  argument: string,
  value: unknown,
  dtypes: readonly T[],
  length?: number,
): Operand<T> {
  if (
    !isTensor(value) &&
    tagOf(value) === "Float16Array" &&
    (dtypes as readonly DType[]).includes("f32")
  ) {
    checkLength(argument, value as AnyArray);
    const reals = Float32Array.from(value as unknown as ArrayLike<number>);
    return ownOperand(instance, argument, reals, dtypes, length);
  }
  return ownOperand(instance, argument, value, dtypes, length);
}

/** Checks the kind and length of a destination. Halves are refused: no value is converted. */
export function ownOperand<T extends DType>(
  instance: Bytelane,
  argument: string,
  value: unknown,
  dtypes: readonly T[],
  length?: number,
): Operand<T> {
  let checked: Operand<T>;
  if (isTensor(value)) {
    const { dtype, length, shape, address } = checkHandle(argument, value, instance) as Tensor<T>;
    checked = { dtype, length, shape, address, value: value as Tensor<T> };
  } else {
    const dtype = dtypeOf(value) as T | undefined;
    if (!dtype) throw dataFault(argument, dtypes, value);
    const array = value as Elements[T];
    const length = checkLength(argument, array);
    const address = instance.heap.addressOf(array);
    checked = { dtype, length, shape: undefined, address, value: array };
  }
  if (!dtypes.includes(checked.dtype)) {
    throw dataFault(argument, dtypes, value);
  }
  if (length !== undefined && checked.length !== length) {
    throw rangeFault(argument, `${length} elements`, value);
  }
  return checked;
}

/** The current elements of an operand, as a view of this realm. An allocation may detach it. */
export function elementsOf<T extends DType>(
  instance: Bytelane,
  { dtype, length, address, value }: Operand<T>,
): Elements[T] {
  if (address >= 0) return instance.heap.view(dtype, address, length);
  requireLength(value as AnyArray, length);
  return elementsOfArray(dtype, value as AnyArray);
}

/**
 * Errors: an array that became shorter. A resizable buffer may shrink, and any buffer may be
 * transferred, while an operation runs.
 */
function requireLength(array: AnyArray, length: number): void {
  if (lengthOf(array) !== length) {
    throw typeFault("data", "arrays that keep their length during a call", array);
  }
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

/** Checks `out`. Without it, a result in kind is made later. */
export function target<T extends DType>(
  instance: Bytelane,
  out: unknown,
  dtype: T,
  shape: readonly number[],
  asTensor: boolean,
): Target<T> {
  const length = countOf(shape);
  const given =
    out === undefined ? undefined : ownOperand(instance, "options.out", out, [dtype], length);
  return { dtype, length, shape, given, asTensor };
}

/** The result of an operation: where the kernel writes it, and what the caller gets. */
export interface Written<T extends DType> {
  readonly address: number;
  readonly value: Elements[T] | Tensor<T>;
}

/**
 * A result that is copied when the call ends: from scratch memory to an address, or to a caller's
 * array.
 */
interface Copy {
  readonly from: number;
  readonly bytes: number;
  readonly dtype: DType;
  readonly length: number;
  /** Destination in the memory, or -1 for a caller's array. */
  readonly to: number;
  readonly array: AnyArray | undefined;
  /** The runs of elements to which it is added; undefined where it is copied. */
  readonly spans: Spans | undefined;
}

/** Calls `body` with the start and the length of each run of elements. */
export type Spans = (body: (start: number, length: number) => void) => void;

/**
 * One call: its scratch memory, and the addresses of its operands and of `out`. If `out` shares
 * bytes with an operand, the result goes to scratch memory first, or the operand is copied. The
 * result is then the same as on separate arrays. Lists are created at their first entry: most calls
 * on tensors need none.
 */
export class Call {
  readonly #instance: Bytelane;
  /** The bytes of `out` in the memory; empty where it lies elsewhere. */
  readonly #start: number = 0;
  readonly #end: number = 0;
  /** An operand shares bytes with `out`. */
  #overlaps = false;
  /** `out` is written where it lies. */
  #writes = false;
  #blocks: number[] | undefined;
  #copies: Copy[] | undefined;
  #made: Tensor[] | undefined;

  constructor(instance: Bytelane, out?: Operand) {
    this.#instance = instance;
    if (out && out.address >= 0) {
      this.#start = out.address;
      this.#end = out.address + out.length * BYTES[out.dtype];
    }
  }

  /** Memory for `bytes`, until the call ends. */
  scratch(bytes: number): number {
    const address = this.#instance.arena.allocate(bytes);
    // an array that starts empty allocates 16 entries at its first push
    if (this.#blocks) this.#blocks.push(address, bytes);
    else this.#blocks = [address, bytes];
    return address;
  }

  /**
   * The address of an operand's elements; a typed array is copied in. `inPlace` states that the
   * kernel is correct if `out` begins at the operand's own address.
   */
  input(source: Operand, inPlace = false): number {
    const { dtype, length, address } = source;
    if (address < 0) return this.copyIn(dtype, elementsOf(this.#instance, source));
    const bytes = length * BYTES[dtype];
    if (inPlace && address === this.#start) return address;
    if (this.reads(address, bytes)) return address;
    return this.copyIn("u8", this.#instance.heap.view("u8", address, bytes));
  }

  /**
   * Notes that the call reads bytes of the memory. Returns false where these bytes are part of
   * `out`, and the address of `out` has been given to a kernel already.
   */
  reads(address: number, bytes: number): boolean {
    if (address >= this.#end || address + bytes <= this.#start) return true;
    this.#overlaps = true;
    return !this.#writes;
  }

  /** Copies values in, or one number `count` times. */
  copyIn(
    dtype: DType,
    values: number | Elements[DType],
    count = (values as Elements[DType]).length,
  ): number {
    const { heap } = this.#instance;
    if (typeof values === "number") {
      const address = this.scratch(count * BYTES[dtype]);
      heap.view(dtype, address, count).fill(values);
      return address;
    }
    // growth detaches views of the memory, so take the address first
    const own = heap.addressOf(values);
    const from = own < 0 ? values : undefined;
    const address = this.scratch(count * BYTES[dtype]);
    const source = from ?? heap.view(dtypeOf(values) as DType, own, count);
    heap.view(dtype, address, count).set(source);
    return address;
  }

  /**
   * Copies integers and checks that all are in [low, high], such as indices that a kernel reads at.
   * The copy is checked, because the original may lie in `out`, or in memory that another thread
   * writes.
   */
  integers(argument: string, list: Operand<"i32"> | Int32Array, low: number, high: number): number {
    const values = "dtype" in list ? elementsOf(this.#instance, list) : list;
    const { length } = values;
    const address = this.copyIn("i32", values);
    const { kernels, heap } = this.#instance;
    if (kernels.all_in_range_i32(address, length, low, high)) return address;
    const copy = heap.view("i32", address, length);
    for (let i = 0; i < length; i++) checkInteger(`${argument}[${i}]`, copy[i], low, high);
    return address;
  }

  /** A copy of indices in [0, count). */
  indices(argument: string, ids: Operand<"i32"> | Int32Array, count: number): number {
    return this.integers(argument, ids, 0, count - 1);
  }

  /** A copy of scales that must be finite and not negative, checked as `integers` are. */
  scales(argument: string, list: Operand<"f32">): number {
    const address = this.copyIn("f32", elementsOf(this.#instance, list));
    const { kernels, heap } = this.#instance;
    // as integers, the bits of reals of at least 0 have the order of the reals
    if (kernels.all_in_range_i32(address, list.length, 0, LARGEST_BITS)) return address;
    const copy = heap.view("f32", address, list.length);
    for (let i = 0; i < list.length; i++) {
      if (copy[i] >= 0 && copy[i] < Number.POSITIVE_INFINITY) continue;
      throw rangeFault(`${argument}[${i}]`, "a finite number of at least 0", copy[i]);
    }
    return address;
  }

  /**
   * The address where a result is to be written, and the value that the operation returns. `keeps`
   * states that the kernel leaves some elements unchanged. With `spans` the result is added to
   * these elements of `out` when the call ends.
   */
  output<T extends DType>(result: Target<T>, keeps = false, spans?: Spans): Written<T> {
    const { given, dtype, length } = result;
    if (!given && result.asTensor) {
      const made = new Tensor(this.#instance, dtype, result.shape);
      this.#made ??= [];
      this.#made.push(made);
      return { address: made.address, value: made };
    }
    const to = given?.address ?? -1;
    if (to >= 0 && to === this.#start && !this.#overlaps && !spans) {
      this.#writes = true;
      return given as Written<T>;
    }
    const from =
      keeps && given && !spans
        ? this.copyIn(dtype, elementsOf(this.#instance, given))
        : this.scratch(length * BYTES[dtype]);
    const value = given?.value ?? (new ARRAYS[dtype](length) as Elements[T]);
    const bytes = length * BYTES[dtype];
    const array = to < 0 ? (value as AnyArray) : undefined;
    this.#copies ??= [];
    this.#copies.push({ from, bytes, dtype, length, to, array, spans });
    return { address: from, value };
  }

  /**
   * Ends the call: results are copied out if it went well, made tensors are disposed if it did not.
   */
  end(done: boolean): void {
    let kept = false;
    try {
      if (done && this.#copies) this.#copyOut(this.#copies);
      kept = done;
    } finally {
      if (!kept) for (const made of this.#made ?? []) made.dispose();
      const { arena } = this.#instance;
      // in reverse order, so that each merges with the free range behind it
      const blocks = this.#blocks ?? [];
      while (blocks.length) {
        const bytes = blocks.pop() as number;
        arena.free(blocks.pop() as number, bytes);
      }
    }
  }

  #copyOut(copies: readonly Copy[]): void {
    const { heap } = this.#instance;
    for (const { array, length } of copies) if (array) requireLength(array, length);
    for (const { from, bytes, to, array, dtype, length, spans } of copies) {
      if (spans) {
        const sums = array ? elementsOfArray(dtype, array) : heap.view(dtype, to, length);
        const terms = heap.view(dtype, from, length);
        spans((start, count) => {
          for (let i = start; i < start + count; i++) sums[i] += terms[i];
        });
      } else if (array) copyTo(array, heap.view(dtype, from, length));
      else heap.view("u8", to, bytes).set(heap.view("u8", from, bytes));
    }
  }
}

/** Runs `body` with a call. Scratch memory is freed whether it returns or throws. */
export function inCall<R>(instance: Bytelane, body: (call: Call) => R): R;
/** With a `result`, whose bytes are known before any operand is read. */
export function inCall<R>(
  instance: Bytelane,
  result: { readonly given: Operand | undefined },
  body: (call: Call) => R,
): R;
export function inCall<R>(
  instance: Bytelane,
  first: { readonly given: Operand | undefined } | ((call: Call) => R),
  second?: (call: Call) => R,
): R {
  const alone = typeof first === "function";
  const body = alone ? first : (second as (call: Call) => R);
  // a getter of an argument may have disposed the instance
  checkInstance(instance);
  const call = new Call(instance, alone ? undefined : first.given);
  let done = false;
  try {
    const value = body(call);
    done = true;
    return value;
  } finally {
    call.end(done);
  }
}
