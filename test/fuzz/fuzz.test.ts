/** A short run of `npm run fuzz` with a fixed seed. */
import { expect, it } from "vitest";
import { fuzz, NAMES } from "./run.ts";

it("finds nothing in 20 000 calls", async () => {
  const { figures, findings } = await fuzz({
    calls: 20_000,
    seed: 20_261_201,
    only: [],
    onProgress() {},
  });
  expect(findings.map(({ text }) => text)).toEqual([]);
  expect(figures).toMatchObject({ calls: 20_000, leakedBytes: 0, operations: NAMES.length });
  expect(figures.tiers).toBeGreaterThanOrEqual(2);
});
