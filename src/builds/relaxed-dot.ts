/**
 * What the engine's relaxed dot product computes, and the test that a build must pass before it is
 * trusted.
 */
import type { Kernels } from "../core/abi.ts";
import type { Bytelane } from "../core/instance.ts";
import { PRODUCT_BYTES, RESULT_CODES, writeFields } from "../core/product.ts";
import { type Dot, type Dots, PARTS, type Tier } from "../core/tiers.ts";

const PAIRS: Dot = { code: 0, offset: 0 };

/** Two steps, on which 7-bit and int4 weights run where sums of pairs saturate. */
const TWO_STEPS: Dot = { code: 1, offset: 64 };

/**
 * Two parts that the relaxed dot product takes reach 254: i8 without −128, as symmetric
 * quantization makes it. Weights that do have it are packed for pairs, and so is u8, which mostly
 * has both of its ends.
 */
const IN_PARTS: Dot = { code: PARTS, offset: 127 };

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
  return CLASSES[kernels.probe_dot(100, -2)] ?? "unknown";
}

/**
 * The dot products of a tier, or why there are none. Where relaxed products are exact they are one
 * instruction, and two of them, within their contract, are quicker than pairs of i16 for weights of
 * 8 bits. Where pairs saturate the two steps were faster than the engine's three instructions.
 */
export function chooseDots(tier: Tier, dotClass: DotClass): Dots | string {
  if (tier === "simd") return { full: [PAIRS], reduced: [PAIRS] };
  const exact = dotClass === "signed" || dotClass === "unsigned";
  const reduced: readonly Dot[] = [exact ? { code: 2, offset: 64 } : TWO_STEPS];
  if (tier === "relaxed") return { full: exact ? [IN_PARTS, PAIRS] : [PAIRS], reduced };
  if (!exact) return `the relaxed dot product is ${dotClass}, not exact on 8 bits`;
  const full: readonly Dot[] = [{ code: 2, offset: dotClass === "signed" ? 0 : 128 }];
  return { full, reduced: full };
}

/**
 * Runs the relaxed dot products of an instance on extremes in every pairing, first on cold code and
 * then often enough for an optimizing compiler to take over, and says what was wrong.
 */
export function selfTest(instance: Bytelane): string | undefined {
  const { full, reduced } = instance.dots;
  if (reduced[0].code === 0) return undefined;
  for (const dot of new Set([reduced[0], full[0]])) {
    const fault = dot.code > 0 ? testDot(instance, dot) : undefined;
    if (fault) return fault;
  }
  return undefined;
}

/**
 * The ends of what a dot product takes, by 9 rows and then one, of 32 columns, so that each of its
 * tiles runs.
 */
function testDot(instance: Bytelane, dot: Dot): string | undefined {
  const seven = dot.offset === 64;
  const low = seven ? -64 : dot.code === PARTS ? -127 : -128;
  const high = seven ? 63 : 127;
  // 8 bits at once are out of the contract: an engine may change its answer
  const rounds = low < -127 ? 1000 : 50;
  const { kernels, arena, heap } = instance;
  const m = 10;
  const n = 32;
  const depth = 16;
  const panels = kernels.packed_bytes(depth, n, 1);
  const workspace = kernels.gemm_workspace(m, depth, 1);
  const sizes = [m * depth, depth * n, panels, n * 4, workspace, m * n * 4, PRODUCT_BYTES];
  const blocks = sizes.map((size) => arena.allocate(size));
  const [lhs, rhs, packed, columnSums, room, out, record] = blocks;
  try {
    const a = heap.view("i8", lhs, m * depth);
    const b = heap.view("i8", rhs, depth * n);
    for (let i = 0; i < a.length; i++) a[i] = (i * 7) % 5 < 2 ? 127 : -128 + ((i * 3) % 4);
    for (let i = 0; i < b.length; i++) b[i] = (i * 5) % 7 < 3 ? high : low + ((i * 11) % 3);
    // −128 · −128 twice in a pair is the only sum of two that 16 bits do not hold
    for (let row = 0; row < m; row++) a.fill(-128, row * depth, row * depth + 4);
    b.fill(low, 0, 4 * n);
    kernels.pack_rhs(rhs, n, 1, depth, n, 0, 1, dot.offset, packed, columnSums);
    writeFields(heap.words, record, {
      ...{ n, depth, dot: dot.code, panels: packed, columnSums, rhsZeros: 0, rhsZero: dot.offset },
      ...{ result: RESULT_CODES.i32, columnScales: 0, bias: 0, low: 0, high: 0, zeroPoint: 0 },
      ...{ reals: 0, realsStride: 0, lhs, lhsStride: depth, lhsUnsigned: 0 },
      ...{ lhsZeros: 0, lhsZero: 0, rowScales: 0, rowScale: 1, dst: out, dstStride: n * 4 },
    });
    for (let round = 0; round < rounds; round++) {
      kernels.gemm(record, 0, m - 1, 0, n / 8, room);
      kernels.gemm(record, m - 1, 1, 0, n / 8, room);
      if (round > 0 && round < rounds - 1) continue;
      const fault = compare(a, b, heap.view("i32", out, m * n), n, depth);
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
