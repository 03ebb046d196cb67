import { it } from "vitest";
import { quantizeInt4 } from "../../src/entries/index.ts";
import { expectSame, noise } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

describeTiers("the search of int4 scales", (instance) => {
  it("takes all of a row: zeros behind it change no scale", () => {
    const { real } = noise(3);
    const scaleOf = (row: readonly number[]) =>
      quantizeInt4(instance, Float32Array.from(row), {
        ...{ shape: [1, row.length], orientation: "out-in", blockSize: "channel" },
        ...{ method: "search", scaleType: "f32" },
      }).scale;
    for (let n = 1; n <= 12; n++) {
      for (let i = 0; i < 20; i++) {
        const row = Array.from({ length: n }, () => real(-1, 1));
        const zeros = new Array<number>((4 - (n % 4)) % 4).fill(0);
        expectSame(scaleOf(row), scaleOf([...row, ...zeros]), n);
      }
    }
    expectSame(scaleOf([0, 0, 7]).map(Math.abs), [1]);
  });
});
