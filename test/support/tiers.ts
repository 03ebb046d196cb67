/** Every test of the API runs on every build: one body, one describe a tier. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Bytelane, createBytelaneSync } from "../../src/entries/index.ts";

export const TIERS = ["simd", "relaxed"] as const;
type DefaultTier = (typeof TIERS)[number];

/** After each test the memory that is in use must be what it was before. */
export function describeTiers(
  name: string,
  body: (lane: Bytelane, tier: DefaultTier) => void,
): void {
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
      expect(lane.report().probed).toEqual([{ tier, result: expect.stringMatching(/^chosen/) }]);
    });
    body(lane, tier);
  });
}
