/** A short run of `npm run fuzz -- --pool` with a fixed seed. */
import { expect, it } from "vitest";
import { fuzzPool } from "./pool.ts";

it("finds nothing in 4000 calls on workers, of which it kills ten", async () => {
  const { figures, findings } = await fuzzPool({
    ...{ calls: 4000, kills: 10, seed: 20_261_201 },
    folder: new URL("../../dist/wasm/", import.meta.url),
    onProgress() {},
  });
  expect(findings.map(({ text }) => text)).toEqual([]);
  expect(figures).toMatchObject({ stuck: 0, wrong: 0, errors: 0, leaks: 0 });
  expect(figures.calls).toBeGreaterThanOrEqual(4000);
  expect(figures.killed).toBeGreaterThanOrEqual(10);
}, 300_000);
