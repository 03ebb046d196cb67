import { expect, it } from "vitest";
import { quantizeDynamic, quantizeRows, scope, tensor } from "../../src/entries/index.ts";
import { activate, conv2d, createConv2d, createConvTranspose2d } from "../../src/entries/nn.ts";
import * as oracle from "../reference/conv.ts";
import { roundHalfEven } from "../reference/quantize.ts";
import { bytes, expectSame, guarded, type Noise, noise } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const f = Math.fround;

/**
 * A small case with every option at random: some kernels hang over the borders by more than an
 * image.
 */
function anyCase({ integer, pick }: Noise) {
  const groups = pick([1, 1, 2, 3]);
  const perGroup = pick([1, 2, 3, 5, 17]);
  const perOut = pick([1, 2, 7, 9]);
  const kernel = [integer(1, 4), integer(1, 4)] as const;
  const dilation = [integer(1, 3), integer(1, 3)] as const;
  const padding = [integer(0, 3), integer(0, 3), integer(0, 3), integer(0, 3)] as const;
  const least = (axis: 0 | 1) =>
    Math.max((kernel[axis] - 1) * dilation[axis] + 1 - padding[axis] - padding[axis + 2], 1);
  return {
    ...{ groups, inChannels: groups * perGroup, outChannels: groups * perOut, perGroup },
    taps: { kernel, dilation, padding, stride: [integer(1, 3), integer(1, 3)] as const },
    height: least(0) + integer(0, 8),
    width: least(1) + integer(0, 8),
    images: integer(1, 2),
  };
}

const realsOf = (n: number, { real }: Noise) => Float32Array.from({ length: n }, () => real(-1, 1));

describeTiers("conv2d", (instance) => {
  it("integers in and out: to the bit, with zero points at the borders", () => {
    for (let seed = 0; seed < 60; seed++) {
      const random = noise(seed);
      const { groups, inChannels, outChannels, perGroup, taps, height, width, images } =
        anyCase(random);
      const [kh, kw] = taps.kernel;
      const dtype = random.pick(["i8", "u8"] as const);
      const zeroPoint = dtype === "i8" ? random.integer(-128, 127) : random.integer(0, 255);
      const x = bytes(dtype, images * height * width * inChannels, seed + 1);
      const weights = bytes("i8", outChannels * perGroup * kh * kw, seed + 2);
      const scale = Float32Array.from({ length: outChannels }, () => random.real(0.001, 0.01));
      const bias = realsOf(outChannels, random);
      const input = { dtype, scale: 0.02, zeroPoint };
      const output = { dtype: "i8" as const, scale: 0.05, zeroPoint: -9 };
      const shape = [outChannels, perGroup, kh, kw];
      const { stride, dilation, padding } = taps;
      scope(instance, () => {
        const layer = createConv2d(instance, {
          ...{ weights, shape, orientation: "out-in", scale, bias, groups, activations: input },
          ...{ stride, dilation, padding, output, activation: { low: -3, high: 4 } },
        });
        const real = createConv2d(instance, {
          ...{ weights, shape, orientation: "out-in", scale, bias, groups, activations: input },
          ...{ stride, dilation, padding },
        });
        const xShape = [images, height, width, inChannels];
        const y = conv2d(layer, x, { shape: xShape });
        const z = conv2d(real, x, { shape: xShape });
        const count = y.length / images;
        for (let n = 0; n < images; n++) {
          const image = {
            ...{ height, width, channels: inChannels },
            at: (row: number, column: number, c: number) =>
              x[((n * height + row) * width + column) * inChannels + c] - zeroPoint,
          };
          const at = (o: number, i: number, j: number, k: number) =>
            weights[((o * perGroup + k) * kh + i) * kw + j];
          const sums = oracle.conv(image, taps, outChannels, groups, at);
          expect(sums.length).toBe(count);
          sums.forEach((sum, i) => {
            const c = i % outChannels;
            const step = f(f(0.02) * scale[c]);
            const steps = sum + roundHalfEven(bias[c] / step);
            const q = roundHalfEven(f(f(steps) * f(step / f(0.05)))) - 9;
            const low = roundHalfEven(-3 / f(0.05)) - 9;
            const high = roundHalfEven(4 / f(0.05)) - 9;
            const right = Math.min(Math.max(q, low, -128), high, 127);
            expect(y[n * count + i], `seed ${seed}, element ${i}`).toBe(right);
            expect(z[n * count + i]).toBe(f(f(f(sum) * step) + bias[c]));
          });
        }
      });
    }
  });

  it("reals, dynamic: as quantized with one scale per image, and 1 × 1 with one per pixel", () => {
    for (let seed = 0; seed < 30; seed++) {
      const random = noise(seed + 500);
      const { groups, inChannels, outChannels, perGroup, taps, height, width, images } =
        anyCase(random);
      const [kh, kw] = seed % 3 ? taps.kernel : ([1, 1] as const);
      const plain = { ...taps, kernel: [kh, kw] as const };
      const pixelwise = kh * kw === 1 && groups === 1 && seed % 2 === 0;
      const used = pixelwise
        ? { ...plain, stride: [1, 1] as const, padding: [0, 0, 0, 0] as const }
        : plain;
      const x = realsOf(images * height * width * inChannels, random);
      const weights = bytes("i8", outChannels * perGroup * kh * kw, seed + 2);
      const { stride, dilation, padding } = used;
      if (oracle.outSize(height, 0, used) < 1 || oracle.outSize(width, 1, used) < 1) continue;
      scope(instance, () => {
        const layer = createConv2d(instance, {
          ...{ weights, shape: [outChannels, perGroup, kh, kw], orientation: "out-in" },
          ...{ scale: 0.01, groups, stride, dilation, padding },
        });
        const y = conv2d(layer, x, { shape: [images, height, width, inChannels] });
        const isPixelwise =
          kh * kw === 1 &&
          groups === 1 &&
          [...stride].every((s) => s === 1) &&
          padding.every((p) => p === 0);
        const rows = isPixelwise ? images * height * width : images;
        const q = quantizeRows(instance, x, { shape: [rows, x.length / rows], dtype: "u8" });
        const count = y.length / images;
        for (let n = 0; n < images; n++) {
          const row = (r: number, c: number) => (isPixelwise ? (n * height + r) * width + c : n);
          const image = {
            ...{ height, width, channels: inChannels },
            at: (r: number, column: number, c: number) =>
              q.values[((n * height + r) * width + column) * inChannels + c] -
              q.zeroPoint[row(r, column)],
          };
          const at = (o: number, i: number, j: number, k: number) =>
            weights[((o * perGroup + k) * kh + i) * kw + j];
          oracle.conv(image, used, outChannels, groups, at).forEach((sum, i) => {
            const pixel = Math.floor(i / outChannels);
            const scale = q.scale[isPixelwise ? n * height * width + pixel : n];
            const right = f(f(sum) * f(scale * f(0.01)));
            expect(y[n * count + i], `seed ${seed}, element ${i}`).toBe(right);
          });
        }
      });
    }
  });

  it("depthwise in f32: sums in the order of the taps, padding not read", () => {
    for (const channels of [2, 3, 4, 5, 7, 8, 9, 16, 21]) {
      for (let seed = 0; seed < 6; seed++) {
        const random = noise(seed + channels * 10);
        const { taps, height, width, images } = anyCase(random);
        const [kh, kw] = taps.kernel;
        const { stride, dilation, padding } = taps;
        const x = realsOf(images * height * width * channels, random);
        const weights = realsOf(channels * kh * kw, random);
        const bias = realsOf(channels, random);
        scope(instance, () => {
          const options = {
            format: "f32",
            orientation: "out-in",
            ...{ weights, shape: [channels, 1, kh, kw], bias, groups: channels },
            ...{ stride, dilation, padding },
          } as const;
          const layer = createConv2d(instance, { ...options, activation: "relu" });
          const functions = [
            "silu",
            { kind: "hard-swish", alpha: 0.3, beta: 0.25, offset: -0.7 },
          ] as const;
          const layers = functions.map((activation) =>
            createConv2d(instance, { ...options, activation }),
          );
          const shape = [images, height, width, channels];
          const src = guarded(instance, "f32", x.length, 4 * (seed % 4));
          src.view().set(x);
          const y = conv2d(layer, src.view(), { shape });
          const active = layers.map((each) => conv2d(each, x, { shape }));
          const sums = y.slice();
          const count = y.length / images;
          for (let n = 0; n < images; n++) {
            const image = { height, width, channels, at: () => 0 };
            oracle.windows(image, taps, (pixel, inside) => {
              for (let c = 0; c < channels; c++) {
                let sum = bias[c];
                for (const { y: row, x: column, i, j } of inside) {
                  const value = x[((n * height + row) * width + column) * channels + c];
                  sum = f(sum + f(value * weights[(c * kh + i) * kw + j]));
                }
                const at = n * count + pixel * channels + c;
                expect(y[at]).toBe(Math.max(sum, 0));
                sums[at] = sum;
              }
            });
          }
          for (const [i, each] of functions.entries()) {
            expectSame(active[i], activate(instance, sums, each));
          }
        });
      }
    }
  });

  it("what follows a quantized result is as if done apart", () => {
    const random = noise(9);
    for (const groups of [1, 2, 8]) {
      scope(instance, () => {
        const weights = realsOf((8 * 8 * 9) / groups, random);
        const x = realsOf(13 * 11 * 8, random);
        const shape = [8, 8 / groups, 3, 3];
        const input = { scale: 0.01 };
        const options = {
          weights,
          shape,
          orientation: "out-in",
          groups,
          activations: input,
          padding: 1,
        } as const;
        const output = { scale: 0.02, zeroPoint: 3 };
        const xShape = { shape: [13, 11, 8] };
        const plain = conv2d(createConv2d(instance, options), x, xShape);
        const layer = createConv2d(instance, { ...options, output, activation: "silu" });
        const right = Array.from(activate(instance, plain, "silu"), (value) =>
          Math.min(Math.max(roundHalfEven(f(value / f(0.02))) + 3, -128), 127),
        );
        expectSame(conv2d(layer, x, xShape), right);
      });
    }
  });

  it("either order of the axes, tensors in kind, and the padding words", () => {
    const random = noise(10);
    scope(instance, () => {
      const oihw = realsOf(5 * 3 * 3 * 2, random);
      const hwio = new Float32Array(oihw.length);
      for (let o = 0; o < 5; o++) {
        for (let k = 0; k < 3; k++) {
          for (let i = 0; i < 3; i++) {
            for (let j = 0; j < 2; j++) {
              hwio[((i * 2 + j) * 3 + k) * 5 + o] = oihw[((o * 3 + k) * 3 + i) * 2 + j];
            }
          }
        }
      }
      const x = tensor(instance, "f32", [2, 7, 6, 3], realsOf(2 * 7 * 6 * 3, random));
      const one = createConv2d(instance, {
        ...{ weights: tensor(instance, "f32", [5, 3, 3, 2], oihw), orientation: "out-in" },
        ...{ padding: "same", stride: 2 },
      });
      const two = createConv2d(instance, {
        ...{ weights: hwio, shape: [3, 2, 3, 5], padding: [1, 0, 1, 0], stride: [2, 2] },
      });
      const y = conv2d(one, x);
      expect(y.shape).toEqual([2, 4, 3, 5]);
      expectSame(y.data, conv2d(two, x).data);
      const valid = createConv2d(instance, { weights: hwio, shape: [3, 2, 3, 5] });
      expect(conv2d(valid, x).shape).toEqual([2, 5, 5, 5]);
      expect(valid.inChannels).toBe(3);
      expect(valid.outChannels).toBe(5);
    });
  });

  it("a transposed convolution is the sum of multiples of its kernel", () => {
    for (let seed = 0; seed < 40; seed++) {
      const random = noise(seed + 900);
      const { integer } = random;
      const kernel = [integer(1, 4), integer(1, 4)] as const;
      const stride = [integer(1, 3), integer(1, 3)] as const;
      const side = () => integer(0, 1);
      const padding = [side(), side(), side(), side()] as const;
      const extra = [integer(0, stride[0] - 1), integer(0, stride[1] - 1)] as const;
      const [inChannels, outChannels] = [integer(1, 5), integer(1, 9)];
      const [height, width] = [integer(2, 6), integer(2, 6)];
      const x = bytes("u8", height * width * inChannels, seed);
      const weights = bytes("i8", inChannels * outChannels * kernel[0] * kernel[1], seed + 1);
      const image = {
        ...{ height, width, channels: inChannels },
        at: (r: number, c: number, k: number) => x[(r * width + c) * inChannels + k] - 77,
      };
      const right = oracle.convTranspose(
        image,
        { kernel, stride, padding, dilation: [1, 1] },
        extra,
        outChannels,
        (k, o, i, j) => weights[((k * outChannels + o) * kernel[0] + i) * kernel[1] + j],
      );
      if (right.height < 1 || right.width < 1) continue;
      scope(instance, () => {
        const layer = createConvTranspose2d(instance, {
          ...{ weights, shape: [inChannels, outChannels, ...kernel], scale: 1 },
          ...{ stride, padding, outputPadding: extra },
          activations: { dtype: "u8", scale: 1, zeroPoint: 77 },
        });
        const y = conv2d(layer, tensor(instance, "u8", [height, width, inChannels], x));
        expect(y.shape).toEqual([right.height, right.width, outChannels]);
        expectSame(y.data, right.sums, `seed ${seed}`);
      });
    }
  });

  it("bias correction: the mean of the result is nearer for it", () => {
    const random = noise(12);
    for (const groups of [1, 4]) {
      scope(instance, () => {
        const weights = realsOf((4 * 4 * 9) / groups, random).map((w) => (w > 0.9 ? w * 9 : w));
        const x = realsOf(40 * 40 * 4, random).map((value) => value + 3);
        const inputMean = Float32Array.of(3, 3, 3, 3);
        const options = { weights, shape: [4, 4 / groups, 3, 3], orientation: "out-in" } as const;
        const shape = [40, 40, 4];
        const at = (o: number, i: number, j: number, k: number) =>
          weights[((o * (4 / groups) + k) * 3 + i) * 3 + j];
        const image = {
          ...{ height: 40, width: 40, channels: 4 },
          at: (r: number, c: number, k: number) => x[(r * 40 + c) * 4 + k],
        };
        const taps = {
          kernel: [3, 3],
          stride: [1, 1],
          dilation: [1, 1],
          padding: [0, 0, 0, 0],
        } as const;
        const right = oracle.conv(image, taps, 4, groups, at);
        const errorOf = (layer: ReturnType<typeof createConv2d>) => {
          const y = conv2d(layer, x, { shape });
          const sums = [0, 0, 0, 0];
          right.forEach((value, i) => {
            sums[i % 4] += y[i] - value;
          });
          return sums.reduce((sum, each) => sum + Math.abs(each), 0);
        };
        const without = errorOf(createConv2d(instance, { ...options, groups }));
        const corrected = errorOf(
          createConv2d(instance, { ...options, groups, inputStats: { mean: inputMean } }),
        );
        expect(corrected).toBeLessThan(without / 2);
      });
    }
  });

  it("NaN counts as 0 where it is quantized, and goes through depthwise f32", () => {
    scope(instance, () => {
      const x = Float32Array.of(1, NaN, 1, 2);
      const weights = new Float32Array(4).fill(1);
      const eye = createConv2d(instance, {
        ...{ weights, shape: [1, 1, 2, 2], activations: { scale: 0.5 } },
      });
      const zeroed = Float32Array.of(1, 0, 1, 2);
      const shape = [1, 2, 2];
      expectSame(conv2d(eye, x, { shape }), conv2d(eye, zeroed, { shape }));
      const depthwise = createConv2d(instance, {
        ...{ weights, shape: [2, 1, 1, 2], orientation: "out-in", format: "f32", groups: 2 },
      });
      expectSame(conv2d(depthwise, x, { shape: [1, 2, 2] }), [2, NaN]);
    });
  });

  it("quantizeDynamic of an image is what a dynamic layer does", () => {
    scope(instance, () => {
      const x = realsOf(5 * 5, noise(3));
      const layer = createConv2d(instance, {
        weights: Int8Array.of(1, 0, 0, 0),
        shape: [2, 2, 1, 1],
        scale: 1,
      });
      const q = quantizeDynamic(instance, x);
      const y = conv2d(layer, x, { shape: [5, 5, 1] });
      expect(y[0]).toBe(f(f(q.values[0] - q.zeroPoint) * q.scale));
    });
  });
});
