/** Every test of the API runs on every build: one body, one describe a tier. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Bytelane, createBytelaneSync, type Tier } from "../../src/index.ts";

export const TIERS: readonly Tier[] = ["simd", "relaxed"];

/** After each test the memory that is in use must be what it was before. */
export function describeTiers(name: string, body: (lane: Bytelane, tier: Tier) => void): void {
  describe.each(TIERS)(`${name}, tier %s`, (tier) => {
    const lane = createBytelaneSync({ tier });
    let before = 0;
    beforeEach(() => {
      before = lane.bytesUsed;
    });
    afterEach(() => {
      expect(lane.bytesUsed, "bytes in use after the test").toBe(before);
    });
    it("is the tier that was asked for", () => {
      expect(lane.tier).toBe(tier);
      expect(lane.report().probed).toEqual([{ tier, result: "chosen" }]);
    });
    body(lane, tier);
  });
}
