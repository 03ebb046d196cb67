/**
 * Images [height, width, channels], or several of them, in tensors and typed arrays.
 *
 * @category Networks
 */
import { nnKernels } from "../builds/nn-kernels.ts";
import { type Data, type InKind, inCall, type Operand, operand, target } from "../core/call.ts";
import { checkOptions, checkShape, countOf, rangeFault } from "../core/check.ts";
import { BYTES, type DType } from "../core/dtype.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { isTensor, type Tensor } from "../core/tensor.ts";

/** @internal */
export interface Images {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** Whether the shape has a dimension for the count. */
  readonly batched: boolean;
}

/**
 * @internal Errors: a shape that is neither [height, width, channels] nor [images, height, width,
 * channels].
 */
export function imagesOf(source: Operand, shape: readonly number[] | undefined): Images {
  const { given, argument } = givenShape(source, shape);
  if (given.length !== 3 && given.length !== 4) {
    throw rangeFault(argument, "[height, width, channels], after the number of images", given);
  }
  if (countOf(given) !== source.length) {
    throw rangeFault(argument, `${source.length} elements`, given);
  }
  const [height, width, channels] = given.slice(-3);
  for (const size of [height, width, channels]) {
    if (size < 1) throw rangeFault(argument, "sizes of at least 1", given);
  }
  const batched = given.length === 4;
  return { count: batched ? given[0] : 1, height, width, channels, batched };
}

/** The shape of the options, or a tensor's own, and the argument that errors name. */
function givenShape(source: Operand, shape: readonly number[] | undefined) {
  return source.shape && shape === undefined
    ? { given: source.shape, argument: "x" }
    : { given: checkShape("options.shape", shape), argument: "options.shape" };
}

/** @internal The shape of the same number of images with other sizes. */
export function shapeOfImages(
  images: Images,
  height: number,
  width: number,
  channels: number,
): readonly number[] {
  const shape = [height, width, channels];
  return images.batched ? [images.count, ...shape] : shape;
}

/** A shape for typed arrays, and where to write. */
export interface LayoutOptions {
  /** Three dimensions, or four with the number of images first. Default: those of a tensor. */
  readonly shape?: readonly number[];
  readonly out?: Data;
}

function transposed<X extends Data>(
  instance: Bytelane,
  x: X,
  options: LayoutOptions,
  channelsFirst: boolean,
): X extends Tensor<infer D> ? Tensor<D> : X {
  checkInstance(instance);
  checkOptions("options", options, ["shape", "out"]);
  const source = operand(instance, "x", x, ["f32", "i32", "i8", "u8"]);
  const { given: shape, argument } = givenShape(source, options.shape);
  if (shape.length !== 3 && shape.length !== 4) {
    throw rangeFault(argument, "three dimensions, after the number of images", shape);
  }
  if (countOf(shape) !== source.length) {
    throw rangeFault(argument, `${source.length} elements`, shape);
  }
  const [a, b, c] = shape.slice(-3);
  const [rows, columns] = channelsFirst ? [a, b * c] : [a * b, c];
  const order = channelsFirst ? [b, c, a] : [c, a, b];
  const result = target(
    instance,
    options.out,
    source.dtype,
    [...shape.slice(0, -3), ...order],
    isTensor(x),
  );
  return inCall(instance, result, (call) => {
    const src = call.input(source);
    const { address, value } = call.output(result);
    const size = BYTES[source.dtype];
    const bytes = rows * columns * size;
    const count = bytes ? (source.length * size) / bytes : 0;
    for (let i = 0; i < count; i++) {
      nnKernels(instance).transpose(src + i * bytes, address + i * bytes, rows, columns, size);
    }
    return value as InKind<X, DType>;
  }) as never;
}

/**
 * Images [channels, height, width], the order of ONNX and PyTorch, to [height, width, channels],
 * the order of the operations here. A fourth dimension, the number of images, may come first. `out`
 * must not overlap x.
 *
 *     const x = toNhwc(instance, pixels, { shape: [1, 3, 48, 320] });
 *
 * Errors: a shape of another number of dimensions or elements.
 *
 * @example
 * ```ts
 * toNhwc(instance, x, { shape: [1, 3, 224, 224] }); // [1, 224, 224, 3]
 * ```
 */
export function toNhwc<X extends Data>(
  instance: Bytelane,
  x: X,
  options: LayoutOptions = {},
): X extends Tensor<infer D> ? Tensor<D> : X {
  return transposed(instance, x, options, true);
}

/**
 * The inverse of `toNhwc`.
 *
 * @example
 * ```ts
 * toNchw(instance, x, { shape: [1, 224, 224, 3] }); // [1, 3, 224, 224]
 * ```
 */
export function toNchw<X extends Data>(
  instance: Bytelane,
  x: X,
  options: LayoutOptions = {},
): X extends Tensor<infer D> ? Tensor<D> : X {
  return transposed(instance, x, options, false);
}
