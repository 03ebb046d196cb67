/**
 * The formats of layers as candidates of a plan: what `createLinear` and `createConv2d` make of
 * weights.
 *
 * @category Mixed precision
 */
import { operand, type Reals } from "../core/call.ts";
import { checkInteger, checkObject, checkOneOf, checkShape, rangeFault } from "../core/check.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { dequantizeInt4 } from "../int4/dequantize.ts";
import { quantizeInt4 } from "../int4/quantize.ts";
import { bitsCandidate, type Candidate, type PlannedLayer } from "./sensitivity.ts";

/** A format of `createLinear` or `createConv2d`. */
export type LayerFormat = "int8" | "int4" | "f32";
const FORMATS = ["int8", "int4", "f32"] as const;
const ORIENTATIONS = ["in-out", "out-in"] as const;

/** Sizes of a layer, of a linear one as of a 1 × 1 convolution. */
interface Sizes {
  readonly outputs: number;
  /** Input features, or channels of one group. */
  readonly inputs: number;
  readonly taps: number;
  /** The axis of the output channels. */
  readonly axis: number;
  readonly groups: number;
}

function sizesOf(
  { shape, orientation = "in-out", groups = 1 }: PlannedLayer,
  given: unknown,
): Sizes {
  const sizes = checkShape("layer.shape", given ?? shape);
  const isOutIn = checkOneOf("layer.orientation", orientation, ORIENTATIONS) === "out-in";
  checkInteger("layer.groups", groups, 1, 2 ** 31 - 1);
  if (sizes.length === 2) {
    const [outputs, inputs] = isOutIn ? sizes : [sizes[1], sizes[0]];
    return { outputs, inputs, taps: 1, axis: isOutIn ? 0 : 1, groups };
  }
  if (sizes.length !== 4) {
    throw rangeFault("layer.shape", "two dimensions, or four of a convolution", sizes);
  }
  const [a, b, c, d] = sizes;
  return isOutIn
    ? { outputs: a, inputs: b, taps: c * d, axis: 0, groups }
    : { outputs: d, inputs: c, taps: a * b, axis: 3, groups };
}

/** The weights of a matrix of 4 bits, in the order in which they came. */
function restoreInt4(instance: Bytelane, layer: PlannedLayer, weights: Reals, sizes: Sizes) {
  const { outputs, inputs, axis } = sizes;
  const isOutIn = axis === 0;
  const matrix = quantizeInt4(instance, weights, {
    shape: isOutIn ? [outputs, inputs] : [inputs, outputs],
    orientation: isOutIn ? "out-in" : "in-out",
    ...(layer.inputStats && { inputStats: layer.inputStats }),
  });
  const rows = dequantizeInt4(instance, matrix);
  const restored = isOutIn
    ? rows
    : rows.map((_, i) => rows[(i % outputs) * inputs + Math.floor(i / outputs)]);
  return { bytes: matrix.values.byteLength + matrix.scale.byteLength, restored };
}

/**
 * A format of layers as a candidate. It reads a layer's `shape`, of two dimensions or of a
 * convolution's four, its `orientation` and its `groups`.
 *
 * * "int8": every layer, with one f32 scale per output channel.
 * * "int4": linear layers, and 1 × 1 convolutions of one group, whose pixels are rows of
 *   `createLinear`; blocks of 32 with f16 scales. Other convolutions have no 4 bits.
 * * "f32": depthwise convolutions only, as they are.
 *
 * Errors: a shape of neither two nor four dimensions, weights that do not fit it.
 *
 * @example
 * ```ts
 * const candidates = (["int8", "int4"] as const).map((format) => layerCandidate(instance, format));
 * const layers = [{ name: "stem", weights, shape: [32, 3, 3, 3], orientation: "out-in" as const }];
 * const costs = sensitivity(layers, candidates);
 * ```
 */
export function layerCandidate(instance: Bytelane, format: LayerFormat): Candidate {
  checkInstance(instance);
  checkOneOf("format", format, FORMATS);
  return {
    name: format,
    quantize(layer) {
      checkObject("layer", layer);
      const source = operand(instance, "layer.weights", layer.weights, ["f32"]);
      const sizes = sizesOf(layer, layer.shape ?? source.shape);
      const { outputs, inputs, taps, axis, groups } = sizes;
      const count = outputs * inputs * taps;
      if (count !== source.length) {
        throw rangeFault("layer.weights", `${count} elements`, layer.weights);
      }
      if (format === "int8") return bitsCandidate(instance, 8, { axis }).quantize(layer);
      if (format === "int4") {
        if (taps > 1 || groups > 1) return undefined;
        return restoreInt4(instance, layer, layer.weights, sizes);
      }
      const isDepthwise = groups > 1 && inputs === 1 && outputs === groups;
      if (!isDepthwise) return undefined;
      const { weights } = layer;
      return { bytes: 4 * count, restored: "data" in weights ? weights.data.slice() : weights };
    },
  };
}
