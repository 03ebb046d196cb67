/**
 * Pooling over the windows of images.
 *
 * @category Networks
 */
import { nnKernels } from "../builds/nn-kernels.ts";
import { type Data, type InKind, inCall, operand, target } from "../core/call.ts";
import { checkInteger, checkOptions, typeFault } from "../core/check.ts";
import { limitsOf } from "../core/dtype.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { isTensor } from "../core/tensor.ts";
import { imagesOf, shapeOfImages } from "./images.ts";
import {
  type CheckedWindow,
  checkPair,
  checkTaps,
  checkWindow,
  geometryOf,
  type Pair,
  WINDOW_BYTES,
  WINDOW_OPTIONS,
  type WindowOptions,
  writeWindow,
} from "./window.ts";

/** Windows, and where to write. */
export interface PoolOptions extends WindowOptions {
  readonly size: Pair;
  /** Default: `size`. */
  readonly stride?: Pair;
  /** [height, width, channels], or with the number of images first. Default: that of a tensor. */
  readonly shape?: readonly number[];
  readonly out?: Data;
}

/** Which pixels a mean is taken over. */
export interface AveragePoolOptions extends PoolOptions {
  /**
   * True to count padding as 0. Default false: a window at a border is the mean of its pixels
   * inside the image.
   */
  readonly countPadding?: boolean;
  /** Zero point of 8-bit x, for padding that counts. Default 0. */
  readonly zeroPoint?: number;
}

const OPTIONS = [...WINDOW_OPTIONS, "size", "shape", "out"] as const;
const AVERAGE_OPTIONS = [...OPTIONS, "countPadding", "zeroPoint"] as const;

type Pooled = "f32" | "i8" | "u8";

/** How a window becomes a pixel. */
interface Rule {
  readonly mean: boolean;
  readonly countPadding: boolean;
  readonly zeroPoint: number | undefined;
}

function pool<X extends Data<Pooled>>(
  instance: Bytelane,
  x: X,
  options: { readonly shape?: readonly number[]; readonly out?: Data },
  windowOf: (height: number, width: number) => CheckedWindow,
  { mean, countPadding, zeroPoint }: Rule,
): InKind<X, Pooled> {
  const source = operand(instance, "x", x, ["f32", "i8", "u8"]);
  const { dtype } = source;
  const images = imagesOf(source, options.shape);
  const { height, width, channels, count } = images;
  const window = windowOf(height, width);
  const geometry = geometryOf(window, height, width, channels);
  checkTaps(window, geometry);
  const zero = zeroPoint ?? 0;
  if (dtype !== "f32") checkInteger("options.zeroPoint", zero, ...limitsOf(dtype));
  else if (zeroPoint !== undefined) {
    throw typeFault("options.zeroPoint", "nothing for x of f32", zeroPoint);
  }
  const { outHeight, outWidth } = geometry;
  const shape = shapeOfImages(images, outHeight, outWidth, channels);
  const result = target(instance, options.out, dtype, shape, isTensor(x));
  return inCall(instance, result, (call) => {
    const src = call.input(source);
    const { address, value } = call.output(result);
    const record = call.scratch(WINDOW_BYTES);
    writeWindow(instance, record, window, geometry);
    const kernels = nnKernels(instance);
    const size = dtype === "f32" ? 4 : 1;
    const [kind, padded] = [mean ? 1 : 0, countPadding ? 1 : 0];
    for (let i = 0; i < count; i++) {
      const from = src + i * height * width * channels * size;
      const to = address + i * outHeight * outWidth * channels * size;
      if (dtype === "f32") kernels.pool_f32(record, from, to, kind, padded);
      else kernels.pool_8(record, from, to, kind, padded, dtype === "u8" ? 1 : 0, zero);
    }
    return value as InKind<X, Pooled>;
  });
}

/** Checks a window. One that lies entirely in the padding would have no value. */
function checkPool(options: PoolOptions): CheckedWindow {
  const kernel = checkPair("options.size", options.size, 1);
  const window = checkWindow(kernel, { stride: kernel, ...options });
  if (window.padding !== "same") {
    window.padding.forEach((size, side) => {
      checkInteger(`options.padding[${side}]`, size, 0, kernel[side % 2] - 1);
    });
  }
  return window;
}

/**
 * The largest value of each window, of reals or 8-bit integers. The scale and zero point of
 * integers stay the same. A NaN in a window makes its result NaN.
 *
 * Errors: padding of a whole window, a window larger than the padded image, a dilation that leaves
 * a window no pixel.
 *
 * @example
 * ```ts
 * const y = maxPool2d(instance, x, { size: 2 });
 * ```
 */
export function maxPool2d<X extends Data<Pooled>>(
  instance: Bytelane,
  x: X,
  options: PoolOptions,
): InKind<X, Pooled> {
  checkInstance(instance);
  checkOptions("options", options, OPTIONS);
  const window = checkPool(options);
  const rule = { mean: false, countPadding: false, zeroPoint: undefined };
  return pool(instance, x, options, () => window, rule);
}

/**
 * The mean of each window: of reals a sum in f64, rounded once; of 8-bit integers the nearest
 * integer, ties to even, with the same scale and zero point. Errors: as `maxPool2d`.
 *
 * @example
 * ```ts
 * averagePool2d(instance, x, { shape: [1, 8, 8, 16], size: 2 }); // [1, 4, 4, 16]
 * ```
 */
export function averagePool2d<X extends Data<Pooled>>(
  instance: Bytelane,
  x: X,
  options: AveragePoolOptions,
): InKind<X, Pooled> {
  checkInstance(instance);
  checkOptions("options", options, AVERAGE_OPTIONS);
  const window = checkPool(options);
  const { countPadding = false, zeroPoint } = options;
  if (typeof countPadding !== "boolean") {
    throw typeFault("options.countPadding", "true or false", countPadding);
  }
  return pool(instance, x, options, () => window, { mean: true, countPadding, zeroPoint });
}

/**
 * The mean of each channel over the whole image: [1, 1, channels] per image.
 *
 * @example
 * ```ts
 * globalAveragePool2d(instance, x, { shape: [1, 8, 8, 16] }); // one pixel per image
 * ```
 */
export function globalAveragePool2d<X extends Data<Pooled>>(
  instance: Bytelane,
  x: X,
  options: { readonly shape?: readonly number[]; readonly out?: Data } = {},
): InKind<X, Pooled> {
  checkInstance(instance);
  checkOptions("options", options, ["shape", "out"]);
  const whole = (height: number, width: number) => checkWindow([height, width], {});
  const rule = { mean: true, countPadding: false, zeroPoint: undefined };
  return pool(instance, x, options, whole, rule);
}
