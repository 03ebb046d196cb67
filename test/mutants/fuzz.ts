/** Fuzzed calls as tests, one of each operation, since mutants choose tests one by one. */
import { expect, it } from "vitest";
import { fuzz, NAMES } from "../fuzz/run.ts";

const CALLS = 500;

for (const name of NAMES) {
  it(name, async () => {
    const { figures, findings } = await fuzz({
      ...{ calls: CALLS, seed: 1, only: [name] },
      onProgress() {},
    });
    expect(findings).toEqual([]);
    expect(figures.leakedBytes).toBe(0);
    expect(figures.tiers).toBeGreaterThanOrEqual(2);
  });
}
