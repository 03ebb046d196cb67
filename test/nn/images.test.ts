import { expect, it } from "vitest";
import { scope, tensor } from "../../src/entries/index.ts";
import {
  averagePool2d,
  conv1d,
  createConv1d,
  globalAveragePool2d,
  maxPool2d,
  resize2d,
  toNchw,
  toNhwc,
} from "../../src/entries/nn.ts";
import * as oracle from "../reference/conv.ts";
import { bytes, expectSame, guarded, noise } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const f = Math.fround;
const realsOf = (n: number, seed: number) => {
  const { real } = noise(seed);
  return Float32Array.from({ length: n }, () => real(-5, 5));
};

function roundHalfEven(x: number): number {
  const low = Math.floor(x);
  const rest = x - low;
  return rest < 0.5 || (rest === 0.5 && low % 2 === 0) ? low : low + 1;
}

describeTiers("images", (instance) => {
  it("pooling: largest and mean of what is there, of every type", () => {
    for (let seed = 0; seed < 60; seed++) {
      const { integer, pick } = noise(seed);
      const kernel = [integer(1, 4), integer(1, 4)] as const;
      const side = (axis: 0 | 1) => integer(0, kernel[axis] - 1);
      const padding = [side(0), side(1), side(0), side(1)] as const;
      const stride = [integer(1, 3), integer(1, 3)] as const;
      const dilation = [integer(1, 2), integer(1, 2)] as const;
      const channels = pick([1, 3, 4, 5, 15, 16, 17, 35]);
      const [height, width] = [8 + integer(0, 3), 8 + integer(0, 3)];
      const dtype = pick(["f32", "i8", "u8"] as const);
      const n = height * width * channels;
      const x = dtype === "f32" ? realsOf(n, seed) : bytes(dtype, n, seed);
      const countPadding = seed % 2 === 0;
      const zeroPoint = dtype === "f32" ? 0 : 7;
      const options = { size: kernel, padding, stride, dilation, shape: [height, width, channels] };
      const most = maxPool2d(instance, x, options);
      const mean = averagePool2d(instance, x, {
        ...options,
        countPadding,
        ...(dtype !== "f32" && { zeroPoint }),
      });
      const image = { height, width, channels, at: () => 0 };
      const taps = { kernel, padding, stride, dilation };
      oracle.windows(image, taps, (pixel, inside) => {
        for (let c = 0; c < channels; c++) {
          const values = inside.map(({ y, x: column }) => x[(y * width + column) * channels + c]);
          const count = countPadding ? kernel[0] * kernel[1] : values.length;
          const sum = values.reduce((total, value) => total + (value - zeroPoint), 0);
          const at = pixel * channels + c;
          expect(most[at]).toBe(values.length ? Math.max(...values) : most[at]);
          if (count === 0) continue;
          const right =
            dtype === "f32" ? f(sum / count) : roundHalfEven(f(sum / count)) + zeroPoint;
          expect(mean[at], `seed ${seed}`).toBe(right);
        }
      });
    }
  });

  it("global pooling, NaN, tensors in kind, unaligned", () => {
    scope(instance, () => {
      const x = realsOf(2 * 5 * 3 * 6, 1);
      const y = globalAveragePool2d(instance, tensor(instance, "f32", [2, 5, 3, 6], x));
      expect(y.shape).toEqual([2, 1, 1, 6]);
      for (let i = 0; i < 12; i++) {
        let sum = 0;
        for (let p = 0; p < 15; p++) sum += x[(Math.floor(i / 6) * 15 + p) * 6 + (i % 6)];
        expect(y.data[i]).toBe(f(sum / 15));
      }
      const nan = maxPool2d(instance, Float32Array.of(1, NaN, 3, 4), { size: 2, shape: [2, 2, 1] });
      expectSame(nan, [NaN]);
      const src = guarded(instance, "u8", 4 * 4 * 19, 3);
      src.view().set(bytes("u8", 4 * 4 * 19, 4));
      const dst = guarded(instance, "u8", 2 * 2 * 19, 5);
      const right = maxPool2d(instance, src.view().slice(), { size: 2, shape: [4, 4, 19] });
      maxPool2d(instance, src.view(), { size: 2, shape: [4, 4, 19], out: dst.view() });
      expectSame(dst.view(), right);
      dst.expectGuards();
    });
  });

  it("resizing: nearest for every type, bilinear between two neighbours", () => {
    for (let seed = 0; seed < 40; seed++) {
      const { integer, pick } = noise(seed + 77);
      const [height, width, channels] = [integer(1, 6), integer(1, 6), pick([1, 3, 4, 6, 17])];
      const size = [integer(1, 13), integer(1, 13)] as const;
      const dtype = pick(["f32", "i8", "u8"] as const);
      const n = height * width * channels;
      const x = dtype === "f32" ? realsOf(n, seed) : bytes(dtype, n, seed);
      const shape = [height, width, channels];
      const near = resize2d(instance, x, { size, shape });
      const coordinates = pick(["half-pixel", "asymmetric", "align-corners"] as const);
      const smooth = resize2d(instance, x, { size, shape, mode: "bilinear", coordinates });
      const place = (o: number, axis: 0 | 1) => {
        const [from, to] = [shape[axis], size[axis]];
        if (coordinates === "align-corners") return to > 1 ? f(o * f((from - 1) / (to - 1))) : 0;
        const step = f(from / to);
        const offset = coordinates === "half-pixel" ? f(from / to / 2 - 0.5) : 0;
        return Math.min(Math.max(f(f(o * step) + offset), 0), from - 1);
      };
      const mix = (a: number, b: number, t: number) => f(f(f(1 - t) * a) + f(t * b));
      for (let oy = 0; oy < size[0]; oy++) {
        for (let ox = 0; ox < size[1]; ox++) {
          const [sy, sx] = [place(oy, 0), place(ox, 1)];
          const [y0, x0] = [
            Math.min(Math.floor(sy), height - 1),
            Math.min(Math.floor(sx), width - 1),
          ];
          for (let c = 0; c < channels; c++) {
            const at = (y: number, column: number) =>
              x[(Math.min(y, height - 1) * width + Math.min(column, width - 1)) * channels + c];
            const to = (oy * size[1] + ox) * channels + c;
            const ny = Math.floor((oy * height) / size[0]);
            expect(near[to]).toBe(at(ny, Math.floor((ox * width) / size[1])));
            const [fy, fx] = [f(sy - y0), f(sx - x0)];
            const value = mix(
              mix(at(y0, x0), at(y0, x0 + 1), fx),
              mix(at(y0 + 1, x0), at(y0 + 1, x0 + 1), fx),
              fy,
            );
            expect(smooth[to], `seed ${seed}`).toBe(dtype === "f32" ? value : roundHalfEven(value));
          }
        }
      }
    }
  });

  it("orders of the axes: there and back", () => {
    for (const dtype of ["f32", "u8"] as const) {
      scope(instance, () => {
        const n = 2 * 3 * 17 * 5;
        const x = dtype === "f32" ? realsOf(n, 2) : bytes(dtype, n, 2);
        const y = toNhwc(instance, x, { shape: [2, 3, 17, 5] });
        for (let i = 0; i < n; i++) {
          const [image, c, p] = [Math.floor(i / 255), Math.floor(i / 85) % 3, i % 85];
          expect(y[image * 255 + p * 3 + c]).toBe(x[i]);
        }
        const back = toNchw(instance, tensor(instance, dtype, [2, 17, 5, 3], [...y]));
        expect(back.shape).toEqual([2, 3, 17, 5]);
        expectSame(back.data, x);
      });
    }
  });

  it("sequences: a convolution of one axis, causal", () => {
    scope(instance, () => {
      const weights = Int8Array.of(1, 2, 3);
      const layer = createConv1d(instance, {
        ...{ weights, shape: [1, 1, 3], orientation: "out-in", scale: 1 },
        ...{ padding: [2, 0], activations: { scale: 1 } },
      });
      const x = tensor(instance, "i8", [2, 4, 1], [1, 2, 3, 4, 5, 6, 7, 8]);
      const y = conv1d(layer, x);
      expect(y.shape).toEqual([2, 4, 1]);
      expectSame(y.data, [3, 8, 14, 20, 15, 28, 38, 44]);
      expectSame(conv1d(layer, Int8Array.of(1, 2), { shape: [2, 1] }), [3, 8]);
    });
  });
});
