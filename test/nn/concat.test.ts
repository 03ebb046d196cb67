import { expect, it } from "vitest";
import { tensor } from "../../src/entries/index.ts";
import { concat } from "../../src/entries/nn.ts";
import { bytes, expectSame, noise } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

describeTiers("concat", (instance) => {
  it("rows of several data side by side, of every type", () => {
    for (const dtype of ["f32", "i8", "u8"] as const) {
      for (const widths of [[1], [3, 1], [4, 7, 16], [16, 33, 1, 5]]) {
        for (const rows of [1, 2, 5]) {
          const { real } = noise(rows);
          const values = widths.map((width, i) =>
            dtype === "f32"
              ? Float32Array.from({ length: rows * width }, () => real(-1, 1))
              : bytes(dtype, rows * width, i),
          );
          const y = concat(instance, values, { columns: widths });
          const right: number[] = [];
          for (let row = 0; row < rows; row++) {
            widths.forEach((width, i) => {
              right.push(...values[i].subarray(row * width, (row + 1) * width));
            });
          }
          expect([...y]).toEqual(right);
        }
      }
    }
  });

  it("images: tensors bring their shapes, and out may be one of them", () => {
    const image = (channels: number, from: number) =>
      tensor(
        instance,
        "f32",
        [1, 2, 3, channels],
        Float32Array.from({ length: 6 * channels }, (_, i) => from + i),
      );
    const [a, b] = [image(2, 0), image(1, 100)];
    const y = concat(instance, [a, b]);
    expect(y.shape).toEqual([1, 2, 3, 3]);
    expectSame(y.data.subarray(0, 6), Float32Array.of(0, 1, 100, 2, 3, 101));
    const out = tensor(instance, "f32", [6, 2]);
    concat(instance, [b, b], { out });
    expectSame(out.data.subarray(0, 4), Float32Array.of(100, 100, 101, 101));
    concat(instance, [a], { out: a });
    expectSame(a.data.subarray(0, 3), Float32Array.of(0, 1, 2));
    for (const each of [a, b, y, out]) each.dispose();
  });
});
