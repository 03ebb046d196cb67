/**
 * Tensors: typed, shaped handles on bytes of an instance's memory.
 *
 * @category Data
 */
import { checkLength, ownElementsOf } from "./array.ts";
import {
  checkInteger,
  checkNumber,
  checkOneOf,
  checkShape,
  countOf,
  rangeFault,
  typeFault,
} from "./check.ts";
import {
  ARRAYS,
  BYTES,
  DTYPES,
  type DType,
  dtypeOf,
  type Elements,
  limitsOf,
  type OwnElements,
} from "./dtype.ts";
import { checkHandle, Handle } from "./handle.ts";
import { type Bytelane, checkInstance } from "./instance.ts";

/**
 * A handle: element type, shape, and where the bytes lie. Made by `tensor` and by the operations.
 */
export class Tensor<T extends DType = DType> extends Handle {
  /** Tells it apart from the other entries of a loaded file. */
  readonly kind = "tensor";
  readonly dtype: T;
  /** Dimensions, frozen. The last one is dense. [] is a single element. */
  readonly shape: readonly number[];
  /** Number of elements. */
  readonly length: number;
  /** Byte offset of the elements in `instance.memory`. It never changes. */
  readonly address: number;

  readonly #whole: Tensor<T> | undefined;

  /** @internal A new block, or with `whole` and `address` a part of another tensor's block. */
  constructor(
    instance: Bytelane,
    dtype: T,
    shape: readonly number[],
    whole?: Tensor<T>,
    address?: number,
  ) {
    const length = countOf(shape);
    const bytes = length * BYTES[dtype];
    const at = address ?? instance.arena.allocate(bytes);
    super(instance, whole ? [] : [[at, bytes]]);
    this.dtype = dtype;
    this.shape = Object.freeze([...shape]);
    this.length = length;
    this.address = at;
    this.#whole = whole;
  }

  /** True when the tensor, or the one it is a part of, has given its memory back. */
  override get disposed(): boolean {
    return super.disposed || this.#whole?.disposed === true;
  }

  get byteLength(): number {
    return this.length * BYTES[this.dtype];
  }

  /**
   * The elements, as a view on the instance's memory: reading and writing go straight to the
   * tensor. Any later allocation may grow the memory and detach the view (its length becomes 0):
   * take it when you use it, do not keep it.
   */
  get data(): Elements[T] {
    checkHandle("tensor", this, this.instance);
    return this.instance.heap.view(this.dtype, this.address, this.length);
  }

  /** A copy of the elements, which outlives the tensor and growth of the memory. */
  toArray(): OwnElements[T] {
    return this.data.slice() as OwnElements[T];
  }

  /** @internal True for a tensor of this library, false for a proxy of one. */
  static isTensor(value: unknown): value is Tensor {
    return typeof value === "object" && value !== null && #whole in value;
  }

  /** @internal */
  __describe(): string {
    return `tensor ${this.dtype} [${this.shape.join(", ")}]`;
  }
}

/** @internal */
export function isTensor(value: unknown): value is Tensor {
  return Tensor.isTensor(value);
}

/**
 * A part of a tensor under a shape of its own, without a copy: `start` counts elements. The part
 * lives no longer than the tensor it belongs to, and disposing it gives nothing back. Errors:
 * elements beyond the end of the tensor.
 *
 * @example
 * ```ts
 * const x = tensor(instance, "f32", [2, 3], [1, 2, 3, 4, 5, 6]);
 * const second = part(x, 3, [1, 3]); // 4 5 6
 * ```
 */
export function part<T extends DType>(
  whole: Tensor<T>,
  start: number,
  shape: readonly number[],
): Tensor<T> {
  if (!isTensor(whole)) throw typeFault("whole", "a tensor", whole);
  checkHandle("whole", whole, whole.instance);
  const count = countOf(checkShape("shape", shape));
  checkInteger("start", start, 0, whole.length);
  if (start + count > whole.length) {
    throw rangeFault("shape", `at most ${whole.length - start} elements from ${start} on`, shape);
  }
  const address = whole.address + start * BYTES[whole.dtype];
  return new Tensor(whole.instance, whole.dtype, shape, whole, address);
}

/**
 * Makes a tensor of an instance, filled with `values` or with zeros. Errors: an unknown element
 * type, a shape that is not made of integers ≥ 0, values of another type or length or beyond what
 * the element type holds, more memory than the instance may have.
 *
 * @example
 * ```ts
 * const x = tensor(instance, "f32", [2, 2], [1, 2, 3, 4]);
 * const zeros = tensor(instance, "i8", [64]);
 * ```
 */
export function tensor<T extends DType>(
  instance: Bytelane,
  dtype: T,
  shape: readonly number[],
  values?: Elements[T] | readonly number[],
): Tensor<T> {
  checkInstance(instance);
  checkOneOf("dtype", dtype, DTYPES);
  const count = countOf(checkShape("shape", shape));
  const source = values === undefined ? undefined : checkValues(dtype, values);
  if (source && source.length !== count) {
    throw rangeFault("values", `${count} elements for shape [${shape.join(", ")}]`, source.length);
  }
  // growth detaches views of this memory, so take the address first
  const { heap } = instance;
  const from = source ? heap.addressOf(source) : -1;
  const result = new Tensor(instance, dtype, shape);
  if (from >= 0) result.data.set(heap.view(dtype, from, count));
  else if (source) result.data.set(source);
  else result.data.fill(0);
  return result;
}

/** The values of a tensor: elements of its type, or numbers that its type holds, each read once. */
function checkValues<T extends DType>(
  dtype: T,
  values: Elements[T] | readonly number[],
): Elements[T] {
  if (!Array.isArray(values)) {
    if (dtypeOf(values) !== dtype) {
      throw typeFault("values", `${dtype} elements or an array of numbers`, values);
    }
    checkLength("values", values as Elements[T]);
    return ownElementsOf(dtype, values as Elements[T]);
  }
  const copy = new ARRAYS[dtype](values.length) as Elements[T];
  for (let i = 0; i < copy.length; i++) {
    const value: unknown = values[i];
    if (dtype !== "f32") {
      copy[i] = checkInteger(`values[${i}]`, value, ...limitsOf(dtype));
    } else {
      copy[i] = checkNumber(`values[${i}]`, value);
      if (Number.isFinite(value) && !Number.isFinite(copy[i])) {
        throw rangeFault(`values[${i}]`, "a number that a 32-bit float holds", value);
      }
    }
  }
  return copy;
}
