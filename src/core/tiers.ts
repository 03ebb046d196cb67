/**
 * Tiers, builds, and the dot products of each.
 *
 * @category Instances
 */

/** The instruction set of the kernels. Both tiers give the same bytes for the same inputs. */
export type Tier = "simd" | "relaxed";

/** The modules that are published, one per tier. */
export type Build = Tier;

/**
 * Classes of relaxed dot products, by how the second operand is read and how products are added:
 *
 *   signed      signed; what Arm has
 *   unsigned    unsigned, sums are exact; what x64 with VNNI has
 *   saturating  unsigned, sums of two products saturate at 16 bits; what other x64 has
 */
export type DotClass = "signed" | "unsigned" | "saturating" | "unknown";

/** The relaxed dot product of an instance. */
export interface RelaxedDot {
  /** The class that the self-test found. */
  readonly found: DotClass;
  /**
   * The weights that it multiplies, in one or two instructions. All others are multiplied as pairs
   * of i16.
   */
  readonly used: "all weights" | "i8 weights without -128" | "7-bit weights";
}

/** Which build runs, why, and what was tried before it. */
export interface Report {
  readonly tier: Tier;
  /** The reason, as a sentence. */
  readonly reason: string;
  /** One entry per tier that was considered, in order. */
  readonly probed: readonly { readonly tier: Tier; readonly result: string }[];
  /** What the engine's relaxed dot product computes, and what it is used for. Not in "simd". */
  readonly relaxedDot?: RelaxedDot;
}

/** The dot product of four i8 or u8 in one instruction. */
export const FUSED = 2;

/** A dot product of the GEMM: how it multiplies, and how far packed weights are offset for it. */
export interface Dot {
  /**
   * 0: two i16 products, every build. 1: four relaxed products in two steps. 2: four in one
   * instruction.
   */
  readonly code: 0 | 1 | 2;
  /** Offset that packing adds to i8 weights. */
  readonly offset: 0 | 64 | 128;
}

/** True if a dot product reads weights as i8 and refuses -128 (builds/relaxed-dot.ts). */
export const refusesLeast = ({ code, offset }: Dot): boolean => code === FUSED && offset === 0;

/**
 * The dot products of an instance: for weights of 8 bits, in the order in which they are tried, and
 * for weights in [-64, 63].
 */
export interface Dots {
  readonly full: readonly Dot[];
  readonly reduced: readonly Dot[];
}
