/**
 * What an instance runs: tiers, builds, and the dot products of each.
 *
 * @category Instances
 */

/**
 * What the kernels run on: a build, and how it uses the dot product. All give the same bytes for
 * the same inputs.
 */
export type Tier = "simd" | "relaxed" | "direct";

/** The modules that are published. "direct" is a way to use the relaxed one. */
export type Build = "simd" | "relaxed";

/** Which build runs, why, and what was tried before it. */
export interface Report {
  readonly tier: Tier;
  /** Why it does, in words for people. */
  readonly reason: string;
  /** One entry a tier that was considered, in order. */
  readonly probed: readonly { readonly tier: Tier; readonly result: string }[];
}

/** The dot product of weights in two parts, which is the only one that refuses some of them. */
export const PARTS = 3;

/** A dot product of the GEMM: how it multiplies, and how far packed weights are offset for it. */
export interface Dot {
  /**
   * 0: two i16 products, every build. 1: four relaxed products in two steps. 2: four in one
   * instruction. 3: four in one instruction for each of two parts of the weights.
   */
  readonly code: 0 | 1 | 2 | 3;
  /** What is added to i8 weights when they are packed. */
  readonly offset: 0 | 64 | 127 | 128;
}

/**
 * The dot products of an instance: for weights of 8 bits, in the order in which they are tried, and
 * for weights in [-64, 63].
 */
export interface Dots {
  readonly full: readonly Dot[];
  readonly reduced: readonly Dot[];
}
