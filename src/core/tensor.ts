/** Tensors: typed, shaped handles on bytes of an instance's memory. */
import {
  checkInteger,
  checkOneOf,
  checkShape,
  countOf,
  DESCRIBE,
  rangeFault,
  typeFault,
} from "./check.ts";
import { BYTES, DTYPES, type DType, dtypeOf, type Elements } from "./dtype.ts";
import { checkHandle, Handle } from "./handle.ts";
import { type Bytelane, checkInstance } from "./instance.ts";

/** A handle: element type, shape, and where the bytes lie. Made by `tensor` and by the operations. */
export class Tensor<T extends DType = DType> extends Handle {
  readonly dtype: T;
  /** Dimensions, the last one dense; frozen. [] is one element. */
  readonly shape: readonly number[];
  /** Number of elements. */
  readonly length: number;
  /** @internal */ readonly address: number;

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
   * The elements, as a view on the instance's memory: reading and writing go straight to the tensor.
   * Any later allocation may grow the memory and detach the view (its length becomes 0): take it when
   * you use it, do not keep it.
   */
  get data(): Elements[T] {
    checkHandle("tensor", this, this.instance);
    return this.instance.memory.view(this.dtype, this.address, this.length);
  }

  /** @internal */
  [DESCRIBE](): string {
    return `tensor ${this.dtype} [${this.shape.join(", ")}]`;
  }
}

/**
 * A part of a tensor under a shape of its own, without a copy: `start` counts elements. The part lives no longer than
 * the tensor it belongs to, and disposing it gives nothing back.
 * Errors: elements beyond the end of the tensor.
 */
export function part<T extends DType>(
  whole: Tensor<T>,
  start: number,
  shape: readonly number[],
): Tensor<T> {
  if (!(whole instanceof Tensor)) throw typeFault("whole", "a tensor", whole);
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
 * Makes a tensor of an instance, filled with `values` or with zeros.
 * Errors: an unknown element type, a shape that is not made of integers ≥ 0, values of another type or length,
 * more memory than the instance may have.
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
  if (values !== undefined) {
    if (!Array.isArray(values) && dtypeOf(values) !== dtype) {
      throw typeFault("values", `${dtype} elements or an array of numbers`, values);
    }
    if (values.length !== count) {
      throw rangeFault(
        "values",
        `${count} elements for shape [${shape.join(", ")}]`,
        values.length,
      );
    }
  }
  // a view on this memory would be detached by growth: remember where it points
  const own = values ? instance.memory.addressOf(values as Elements[T]) : -1;
  const result = new Tensor(instance, dtype, shape);
  if (own >= 0) result.data.set(instance.memory.view(dtype, own, count));
  else if (values) result.data.set(values);
  else result.data.fill(0);
  return result;
}
