import { expect, it } from "vitest";
import { dequantize, quantize, scope, tensor } from "../../src/entries/index.ts";
import { activate, createLookup, lookup } from "../../src/entries/nn.ts";
import { bytes, expectSame, guarded, LENGTHS } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

describeTiers("lookup", (instance) => {
  it("is quantize(f(dequantize(q))) for every integer, of every pair of types", () => {
    for (const from of ["i8", "u8"] as const) {
      for (const to of ["i8", "u8"] as const) {
        scope(instance, () => {
          const input = { dtype: from, scale: 0.07, zeroPoint: from === "i8" ? -3 : 120 };
          const output = { dtype: to, scale: 0.013, zeroPoint: to === "i8" ? 5 : 40 };
          const q =
            from === "i8"
              ? Int8Array.from({ length: 256 }, (_, i) => i - 128)
              : Uint8Array.from({ length: 256 }, (_, i) => i);
          const x = dequantize(instance, q, input);
          const table = createLookup(instance, "silu", input, output);
          const right = quantize(instance, activate(instance, x, "silu"), output);
          expectSame(lookup(table, q), right, `${from} to ${to}`);
          const own = createLookup(instance, (value) => value * 3, input, output);
          expectSame(
            lookup(own, q),
            quantize(
              instance,
              x.map((value) => value * 3),
              output,
            ),
          );
        });
      }
    }
  });

  it("every length, unaligned, in place, and not a byte beside it", () => {
    scope(instance, () => {
      const table = createLookup(instance, (x) => -x, { scale: 1 }, { scale: 1 });
      for (const n of LENGTHS) {
        const q = bytes("i8", n, n);
        const room = guarded(instance, "i8", n, n % 32);
        room.view().set(q);
        lookup(table, room.view(), { out: room.view() });
        expectSame(
          room.view(),
          q.map((value) => Math.min(-value, 127)),
          `of ${n}`,
        );
        room.expectGuards();
        room.dispose();
      }
    });
  });

  it("a function's NaN counts as 0, and infinities as the ends", () => {
    scope(instance, () => {
      const at = { scale: 1 };
      const table = createLookup(instance, (x) => (x ? NaN : Infinity), at, {
        ...at,
        zeroPoint: 7,
      });
      expectSame(lookup(table, Int8Array.of(0, 1)), [127, 7]);
      const x = tensor(instance, "i8", [2, 1], [0, -1]);
      const y = lookup(table, x);
      expect(y.shape).toEqual([2, 1]);
      expectSame(y.data, [127, 7]);
    });
  });
});
