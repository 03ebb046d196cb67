/** Inputs of convolutions as rows, against the definition of a convolution. */
import { expect, it } from "vitest";
import { Graphs } from "../../src/onnx/graph.ts";
import { decodeModel } from "../../src/onnx/model.ts";
import { hasPatches, patchesOf } from "../../src/onnx/patches.ts";
import { findSites, type Site } from "../../src/onnx/sites.ts";
import * as file from "../support/onnx.ts";
import { noise } from "../support/samples.ts";

const { integer } = noise(44);
const integers = (count: number) => Float32Array.from({ length: count }, () => integer(-9, 9));

/** The site of one Conv. */
function siteOf(dims: readonly number[], attributes: Record<string, number | number[]>): Site {
  const count = dims.reduce((product, size) => product * size, 1);
  const weights = file.tensor("w", 1, dims, file.floats(integers(count)));
  const given = Object.entries(attributes).map(([name, value]) => file.attribute(name, value));
  const model = file.model({
    nodes: [file.node("Conv", ["x", "w"], ["y"], given)],
    tensors: [weights],
  });
  return findSites(new Graphs(decodeModel(model))).sites[0];
}

/** y [N, O, positions] of a Conv in two dimensions, by its definition. */
function convolve(
  x: Float32Array,
  [batch, channels, height, width]: readonly number[],
  weights: Float32Array,
  [outputs, , high, wide]: readonly number[],
  { strides: [sh, sw], dilations: [dh, dw], pads: [top, left, bottom, right] }: Window,
): { sums: number[][]; positions: number } {
  const rows = Math.floor((height + top + bottom - (high - 1) * dh - 1) / sh) + 1;
  const columns = Math.floor((width + left + right - (wide - 1) * dw - 1) / sw) + 1;
  const sums: number[][] = [];
  const at = (n: number, c: number, y: number, z: number): number =>
    y < 0 || z < 0 || y >= height || z >= width
      ? 0
      : x[((n * channels + c) * height + y) * width + z];
  for (let n = 0; n < batch; n++) {
    for (let r = 0; r < rows; r++) {
      for (let q = 0; q < columns; q++) {
        sums.push(
          Array.from({ length: outputs }, (_, o) => {
            let sum = 0;
            for (let c = 0; c < channels; c++) {
              for (let i = 0; i < high; i++) {
                for (let j = 0; j < wide; j++) {
                  const weight = weights[((o * channels + c) * high + i) * wide + j];
                  sum += weight * at(n, c, r * sh + i * dh - top, q * sw + j * dw - left);
                }
              }
            }
            return sum;
          }),
        );
      }
    }
  }
  return { sums, positions: sums.length };
}

interface Window {
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
}

const PLAIN: Window = { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0] };

it.each([
  [[1, 2, 5, 6], [3, 2, 1, 1], {}],
  [[2, 3, 6, 5], [4, 3, 3, 3], { pads: [1, 1, 1, 1] }],
  [[1, 3, 7, 8], [2, 3, 3, 2], { strides: [2, 3], pads: [0, 1, 2, 0] }],
  [[1, 1, 9, 9], [2, 1, 3, 3], { dilations: [2, 3], pads: [2, 0, 1, 3] }],
  [[1, 2, 2, 2], [1, 2, 5, 5], { pads: [2, 2, 2, 2] }],
] as [number[], number[], Partial<Window>][])(
  "rows of %j by weights %j are the convolution %j",
  (dims, shape, given) => {
    const window = { ...PLAIN, ...given };
    const site = siteOf(shape, given as Record<string, number[]>);
    const x = integers(dims.reduce((product, size) => product * size, 1));
    const weights = integers(shape.reduce((product, size) => product * size, 1));
    const { sums, positions } = convolve(x, dims, weights, shape, window);
    const rows = patchesOf(site, x, dims);
    expect(rows.length).toBe(positions * site.columns);
    const got = sums.map((_, i) =>
      Array.from({ length: shape[0] }, (_, o) =>
        Array.from({ length: site.columns }, (_, k) => k).reduce(
          (sum, k) => sum + rows[i * site.columns + k] * weights[o * site.columns + k],
          0,
        ),
      ),
    );
    expect(got).toEqual(sums);
  },
);

it("takes one dimension as two", () => {
  const x = integers(2 * 3 * 8);
  const flat = siteOf([4, 3, 3], { strides: [2], pads: [1, 0], dilations: [2] });
  const image = siteOf([4, 3, 1, 3], {
    ...{ strides: [1, 2], pads: [0, 1, 0, 0], dilations: [1, 2] },
  });
  expect(patchesOf(flat, x, [2, 3, 8])).toEqual(patchesOf(image, x, [2, 3, 1, 8]));
});

it("takes 1024 rows at most, and none where the window is larger than its input", () => {
  const site = siteOf([1, 2, 1, 1], {});
  expect(patchesOf(site, integers(2 * 60 * 60), [1, 2, 60, 60]).length).toBe(1024 * 2);
  const large = siteOf([1, 1, 3, 3], {});
  expect(patchesOf(large, integers(4), [1, 1, 2, 2]).length).toBe(0);
});

it("knows convolutions of one group in one or two dimensions, with pads that are given", () => {
  const named = (value: string) =>
    file.concat(file.field(1, "auto_pad"), file.field(4, value), file.field(20, 3));
  const of = (dims: number[], attributes: file.Bytes[]) => {
    const count = dims.reduce((product, size) => product * size, 1);
    const model = file.model({
      nodes: [file.node("Conv", ["x", "w"], ["y"], attributes)],
      tensors: [file.tensor("w", 1, dims, file.floats(integers(count)))],
    });
    return hasPatches(findSites(new Graphs(decodeModel(model))).sites[0]);
  };
  expect(of([2, 2, 3, 3], [])).toBe(true);
  expect(of([2, 2, 3], [named("NOTSET")])).toBe(true);
  expect(of([2, 2, 3, 3], [named("SAME_UPPER")])).toBe(false);
  expect(of([2, 2, 3, 3], [file.attribute("group", 2)])).toBe(false);
  expect(of([2, 2, 3, 3, 3], [])).toBe(false);
});
