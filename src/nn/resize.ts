/**
 * Upsampling and other changes of an image's size.
 *
 * @category Networks
 */
import { nnKernels } from "../builds/nn-kernels.ts";
import { type Data, type InKind, inCall, operand, target } from "../core/call.ts";
import { checkInteger, checkOneOf, checkOptions, rangeFault, typeFault } from "../core/check.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { isTensor } from "../core/tensor.ts";
import { imagesOf, shapeOfImages } from "./images.ts";

/** The new size, and where values come from. */
export interface ResizeOptions {
  readonly size: readonly [height: number, width: number];
  /** "nearest" takes the pixel at floor(o · in / out). Default "nearest". */
  readonly mode?: "nearest" | "bilinear";
  /**
   * For bilinear: the position in x of an output o. "half-pixel" (o + 0.5) · in / out − 0.5,
   * "asymmetric" o · in / out, "align-corners" o · (in − 1) / (out − 1). Default "half-pixel", as
   * PyTorch and ONNX have it; "nearest" is always "asymmetric".
   */
  readonly coordinates?: "half-pixel" | "asymmetric" | "align-corners";
  /** [height, width, channels], or with the number of images first. Default: that of a tensor. */
  readonly shape?: readonly number[];
  readonly out?: Data;
}

const OPTIONS = ["size", "mode", "coordinates", "shape", "out"] as const;
const COORDINATES = ["half-pixel", "asymmetric", "align-corners"] as const;
const DTYPE = { f32: 0, i8: 1, u8: 2 } as const;

/** Step and offset along an axis: output o is at o · step + offset. */
function stepOf(coordinates: (typeof COORDINATES)[number], size: number, out: number) {
  if (coordinates === "align-corners") return [out > 1 ? (size - 1) / (out - 1) : 0, 0];
  const step = size / out;
  return [step, coordinates === "half-pixel" ? step / 2 - 0.5 : 0];
}

/**
 * x at another size: [outHeight, outWidth, channels] per image. Scale and zero point of 8-bit
 * integers stay the same.
 *
 * Errors: a size below 1; an unknown mode; other coordinates than "asymmetric"
 * for the mode "nearest".
 *
 * @example
 * ```ts
 * const y = resize2d(instance, x, { size: [2 * height, 2 * width] });
 * ```
 */
export function resize2d<X extends Data<"f32" | "i8" | "u8">>(
  instance: Bytelane,
  x: X,
  options: ResizeOptions,
): InKind<X, "f32" | "i8" | "u8"> {
  checkInstance(instance);
  checkOptions("options", options, OPTIONS);
  const source = operand(instance, "x", x, ["f32", "i8", "u8"]);
  const images = imagesOf(source, options.shape);
  const { size } = options;
  if (!Array.isArray(size)) throw typeFault("options.size", "[height, width]", size);
  if (size.length !== 2) throw rangeFault("options.size", "[height, width]", size);
  const [outHeight, outWidth] = size.map((each, i) =>
    checkInteger(`options.size[${i}]`, each, 1, 2 ** 24),
  );
  const mode = checkOneOf("options.mode", options.mode ?? "nearest", ["nearest", "bilinear"]);
  const coordinates = checkOneOf(
    "options.coordinates",
    options.coordinates ?? "half-pixel",
    COORDINATES,
  );
  if (mode === "nearest" && ![undefined, "asymmetric"].includes(options.coordinates)) {
    const expected = '"asymmetric" for the mode "nearest"';
    throw rangeFault("options.coordinates", expected, coordinates);
  }
  const { count, height, width, channels } = images;
  const { dtype } = source;
  const shape = shapeOfImages(images, outHeight, outWidth, channels);
  const result = target(instance, options.out, dtype, shape, isTensor(x));
  return inCall(instance, result, (call) => {
    const src = call.input(source);
    const { address, value } = call.output(result);
    const pixel = channels * (dtype === "f32" ? 4 : 1);
    const kernels = nnKernels(instance);
    const steps = call.copyIn(
      "f32",
      Float32Array.of(
        ...stepOf(coordinates, height, outHeight),
        ...stepOf(coordinates, width, outWidth),
      ),
    );
    for (let i = 0; i < count; i++) {
      const from = src + i * height * width * pixel;
      const to = address + i * outHeight * outWidth * pixel;
      if (mode === "nearest") {
        kernels.nearest_bytes(from, to, height, width, outHeight, outWidth, pixel);
      } else {
        kernels.bilinear_resize(
          DTYPE[dtype],
          from,
          to,
          height,
          width,
          channels,
          outHeight,
          outWidth,
          steps,
        );
      }
    }
    return value as InKind<X, "f32" | "i8" | "u8">;
  });
}
