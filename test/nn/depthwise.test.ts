/** Depthwise convolutions of 8 bits, whose kernels are their own, against plain loops. */
import { expect, it } from "vitest";
import { scope } from "../../src/entries/index.ts";
import { conv2d, createConv2d } from "../../src/entries/nn.ts";
import * as oracle from "../reference/conv.ts";
import { roundHalfEven } from "../reference/quantize.ts";
import { bytes, noise } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const f = Math.fround;
const LIMITS = { i8: [-128, 127], u8: [0, 255] } as const;

/** Kernels up to 7 × 7; images down to one pixel; zero points that are often an extreme. */
function anyCase(seed: number, width: number, channels: number) {
  const { integer, pick, real } = noise(seed);
  const kernel = [integer(1, 7), width] as const;
  const stride = [integer(1, 3), integer(1, 3)] as const;
  const dilation = [integer(1, 3), integer(1, 3)] as const;
  const padding = [integer(0, 3), integer(0, 3), integer(0, 3), integer(0, 3)] as const;
  const least = (axis: 0 | 1) =>
    Math.max((kernel[axis] - 1) * dilation[axis] + 1 - padding[axis] - padding[axis + 2], 1);
  const types = { input: pick(["i8", "u8"] as const), result: pick(["i8", "u8"] as const) };
  const zeroOf = (dtype: "i8" | "u8") => {
    const [low, high] = LIMITS[dtype];
    return pick([low, high, integer(low, high)]);
  };
  return {
    taps: { kernel, stride, dilation, padding },
    size: [least(0) + integer(0, 4), least(1) + integer(0, 12)] as const,
    input: { dtype: types.input, scale: f(0.02), zeroPoint: zeroOf(types.input) },
    output: { dtype: types.result, scale: f(pick([0.05, 2])), zeroPoint: zeroOf(types.result) },
    scale: Float32Array.from({ length: channels }, () => real(0.001, 0.01)),
    bias: Float32Array.from({ length: channels }, () => real(-2, 2)),
  };
}

const cases = [1, 2, 3, 4, 5, 6, 7].flatMap((width) =>
  [2, 7, 8, 9, 17, 33, 50, 130].map((channels) => [width, channels] as const),
);

describeTiers("depthwise in 8 bits", (instance) => {
  it.each(cases)("a kernel %i wide on %i channels, to the bit", (width, channels) => {
    for (let seed = 0; seed < 3; seed++) {
      const { taps, size, input, output, scale, bias } = anyCase(
        seed * 200 + channels,
        width,
        channels,
      );
      const [kh, kw] = taps.kernel;
      const [height, columns] = size;
      const x = bytes(input.dtype, height * columns * channels, seed + 1);
      const weights = bytes("i8", channels * kh * kw, seed + 2);
      const image = {
        ...{ height, width: columns, channels },
        at: (r: number, c: number, k: number) =>
          x[(r * columns + c) * channels + k] - input.zeroPoint,
      };
      const at = (o: number, i: number, j: number) => weights[(o * kh + i) * kw + j];
      const sums = oracle.conv(image, taps, channels, channels, at);
      const options = {
        orientation: "out-in",
        ...{ weights, shape: [channels, 1, kh, kw], groups: channels },
        ...{ scale, bias, activations: input, stride: taps.stride },
        ...{ dilation: taps.dilation, padding: taps.padding },
      } as const;
      const shape = [height, columns, channels];
      const [low, high] = LIMITS[output.dtype];
      scope(instance, () => {
        const y = conv2d(createConv2d(instance, { ...options, output }), x, { shape });
        const z = conv2d(createConv2d(instance, options), x, { shape });
        const wanted = sums.map((sum, i) => {
          const step = f(input.scale * scale[i % channels]);
          const whole = f(sum + roundHalfEven(bias[i % channels] / step));
          const q = roundHalfEven(f(whole * f(step / output.scale))) + output.zeroPoint;
          return Math.min(Math.max(q, low), high);
        });
        const reals = sums.map((sum, i) => {
          const step = f(input.scale * scale[i % channels]);
          return f(f(f(sum) * step) + bias[i % channels]);
        });
        expect(Array.from(y)).toEqual(wanted);
        expect(Array.from(z)).toEqual(reals);
      });
    }
  });

  it("takes an activation in strips of rows: the image is the rows that it has", () => {
    const [height, width, channels] = [30, 32, 40];
    const x = bytes("u8", height * width * channels, 1);
    const options = {
      ...{ weights: bytes("i8", channels * 3, 2), shape: [channels, 1, 1, 3], groups: channels },
      orientation: "out-in",
      activation: "silu",
      padding: [0, 1, 0, 1],
      scale: 0.01,
      activations: { dtype: "u8", scale: 0.02, zeroPoint: 120 },
    } as const;
    for (const result of [{}, { output: { dtype: "i8", scale: 0.05, zeroPoint: 3 } }] as const) {
      scope(instance, () => {
        const layer = createConv2d(instance, { ...options, ...result });
        const y = Array.from(conv2d(layer, x, { shape: [height, width, channels] }));
        const rowOf = (r: number) => x.subarray(r * width * channels, (r + 1) * width * channels);
        const rows = Array.from({ length: height }, (_, r) =>
          Array.from(conv2d(layer, rowOf(r), { shape: [1, width, channels] })),
        );
        expect(y).toEqual(rows.flat());
        expect(new Set(y).size).toBeGreaterThan(50);
      });
    }
  });
});
