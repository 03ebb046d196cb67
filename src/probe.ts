/** What the engine's relaxed dot product computes, and the test that a build must pass before it is trusted. */
import type { Kernels } from "./abi.ts";
import type { Bytelane, Tier } from "./lane.ts";

/** A dot product of the GEMM: how it multiplies, and how far packed weights are moved for it. */
export interface Dot {
  /** 0: two i16 products, every build. 1: four relaxed products in two steps. 2: four in one instruction. */
  readonly code: 0 | 1 | 2;
  /** What is added to i8 weights when they are packed. */
  readonly moved: 0 | 64 | 128;
}

/** The dot products of an instance: for weights of 8 bits, and for weights in [-64, 63]. */
export interface Dots {
  readonly full: Dot;
  readonly reduced: Dot;
}

export const PAIRS: Dot = { code: 0, moved: 0 };

/**
 * Classes of relaxed dot products, by what they make of four products of 100 and −2:
 *   signed       rhs is signed, sums are exact (Arm sdot)
 *   unsigned     rhs is unsigned, sums are exact (x64 with VNNI)
 *   saturating   rhs is unsigned, pairs saturate (other x64)
 */
export type DotClass = "signed" | "unsigned" | "saturating" | "unknown";

const CLASSES: Readonly<Record<number, DotClass>> = {
  [-800]: "signed",
  101600: "unsigned",
  65534: "saturating",
};

export function classOf(kernels: Kernels): DotClass {
  return CLASSES[kernels.probe_dot()] ?? "unknown";
}

/**
 * The dot products of a tier, or why there are none. Where relaxed products are exact they are one instruction;
 * where pairs saturate the two steps were faster than the engine's three instructions.
 */
export function chooseDots(tier: Tier, dotClass: DotClass): Dots | string {
  if (tier === "simd") return { full: PAIRS, reduced: PAIRS };
  const exact = dotClass === "signed" || dotClass === "unsigned";
  const reduced: Dot = { code: exact ? 2 : 1, moved: 64 };
  if (tier === "relaxed") return { full: PAIRS, reduced };
  if (!exact) return `the relaxed dot product is ${dotClass}, not exact on 8 bits`;
  const full: Dot = { code: 2, moved: dotClass === "signed" ? 0 : 128 };
  return { full, reduced: full };
}

/** The two steps, on which int4 weights run on every relaxed engine. */
const TWO_STEPS: Dot = { code: 1, moved: 64 };

/**
 * Runs the relaxed dot products of an instance on extremes in every pairing, first on cold code and then often
 * enough for an optimizing compiler to take over, and says what was wrong.
 */
export function selfTest(lane: Bytelane): string | undefined {
  const { full, reduced } = lane.dots;
  if (reduced.code === 0) return undefined;
  let fault = testDot(lane, TWO_STEPS, -64, 63, 50);
  if (!fault && reduced.moved === 64 && reduced.code !== TWO_STEPS.code) {
    fault = testDot(lane, reduced, -64, 63, 50);
  }
  if (!fault && full.code > 0) fault = testDot(lane, full, -128, 127, 1000);
  return fault;
}

function testDot(
  lane: Bytelane,
  dot: Dot,
  low: number,
  high: number,
  rounds: number,
): string | undefined {
  const { kernels, arena, scalars } = lane;
  const m = 4;
  const n = 8;
  const depth = 16;
  const panels = kernels.packed_bytes(depth, n, 1);
  const workspace = kernels.gemm_workspace(m, depth, 1);
  const sizes = [m * depth, depth * n, panels, 2 * n * 4, workspace, m * n * 4];
  const blocks = sizes.map((size) => arena.allocate(size));
  const [lhs, rhs, packed, columns, room, out] = blocks;
  const zeros = columns + n * 4;
  try {
    const a = arena.view("i8", lhs, m * depth);
    const b = arena.view("i8", rhs, depth * n);
    for (let i = 0; i < a.length; i++) a[i] = (i * 7) % 5 < 2 ? 127 : -128 + ((i * 3) % 4);
    for (let i = 0; i < b.length; i++) b[i] = (i * 5) % 7 < 3 ? high : low + ((i * 11) % 3);
    arena.view("i32", zeros, n).fill(dot.moved);
    arena.words.setInt32(scalars, 0, true);
    kernels.pack_rhs(rhs, n, 1, depth, n, 0, 1, dot.moved, packed, columns);
    for (let round = 0; round < rounds; round++) {
      // biome-ignore format: as the kernel names them
      kernels.gemm(0, dot.code, lhs, depth, 0, scalars, 0, packed, zeros, columns, m, n, depth,
        scalars, 0, columns, 0, 0, 0, 0, out, n * 4, room);
      if (round > 0 && round < rounds - 1) continue;
      const fault = compare(a, b, arena.view("i32", out, m * n), n, depth);
      if (fault) return fault;
    }
    return undefined;
  } finally {
    for (let i = 0; i < blocks.length; i++) arena.free(blocks[i], sizes[i]);
  }
}

function compare(
  a: Int8Array,
  b: Int8Array,
  c: Int32Array,
  n: number,
  depth: number,
): string | undefined {
  for (let at = 0; at < c.length; at++) {
    const row = Math.floor(at / n) * depth;
    let sum = 0;
    for (let k = 0; k < depth; k++) sum += a[row + k] * b[k * n + (at % n)];
    if (c[at] !== sum) return `a dot product gave ${c[at]} instead of ${sum}`;
  }
  return undefined;
}
