/** Every test of the API runs on every build: one body, one describe a tier. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Bytelane, createBytelaneSync } from "../../src/entries/index.ts";

export const TIERS = ["simd", "relaxed"] as const;
type DefaultTier = (typeof TIERS)[number];

/** After each test the memory that is in use must be what it was before. */
export function describeTiers(
  name: string,
  body: (instance: Bytelane, tier: DefaultTier) => void,
): void {
  describe.each(TIERS)(`${name}, tier %s`, (tier) => {
    const instance = createBytelaneSync({ tier });
    let before = 0;
    beforeEach(() => {
      before = instance.bytesUsed;
    });
    afterEach(() => {
      expect(instance.bytesUsed, "bytes in use after the test").toBe(before);
    });
    it("is the tier that was asked for", () => {
      expect(instance.tier).toBe(tier);
      expect(instance.report().probed).toEqual([
        { tier, result: expect.stringMatching(/^chosen/) },
      ]);
    });
    body(instance, tier);
  });
}
