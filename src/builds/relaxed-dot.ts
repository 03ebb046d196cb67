/**
 * What the engine's relaxed dot product computes, and the test that a build must pass before it is
 * trusted.
 *
 * WebAssembly 3.0 (core, Numerics, "Relaxed operations") lets an implementation choose, by the
 * parameter R_idot, whether the second operand is signed or unsigned, and adds the two products of
 * a pair with saturation in 16 bits. Parameters are constant while a program runs, so the choice is
 * tested once, when an instance is made:
 *
 *   class       weights that are exact     why
 *   any         [0, 127]                   both readings agree, a pair is at most 2 · 128 · 127
 *   signed      i8 without −128            the text: a pair is at most 2 · 128 · 127 = 32 512
 *   unsigned    all, as u8                 engines: vpdpbusd adds four products in 32 bits
 *
 * The specification would let an unsigned pair saturate, so the last line rests on the self-test
 * alone. V8 on arm64 violates the specification in one case: its baseline code adds pairs in 16
 * bits that wrap, its optimized code is sdot. They differ only for a pair of −128 · −128, which
 * weights without −128 cannot produce. Sums of at most 32 512 are the same whether they wrap,
 * saturate or are exact.
 */
import type { Kernels } from "../core/abi.ts";
import type { Bytelane } from "../core/instance.ts";
import { PRODUCT_BYTES, RESULT_CODES, writeFields } from "../core/product.ts";
import {
  type Dot,
  type DotClass,
  type Dots,
  FUSED,
  type RelaxedDot,
  refusesLeast,
} from "../core/tiers.ts";

const PAIRS: Dot = { code: 0, offset: 0 };

/** Two steps: for 7-bit and int4 weights where sums of pairs saturate. */
const TWO_STEPS: Dot = { code: 1, offset: 64 };

/** 7 bits in one instruction, in the range where all engines agree. */
const SEVEN_BITS: Dot = { code: FUSED, offset: 64 };

/** 8 bits in one instruction, by class. */
const EIGHT_BITS: Partial<Record<DotClass, readonly Dot[]>> = {
  signed: [{ code: FUSED, offset: 0 }, PAIRS],
  unsigned: [{ code: FUSED, offset: 128 }],
};

/** Classes by their sum of four products 100 · −2. */
const CLASSES: Readonly<Record<number, DotClass>> = {
  [-800]: "signed",
  101600: "unsigned",
  65534: "saturating",
};

export function classOf(kernels: Kernels): DotClass {
  return CLASSES[kernels.probe_dot(100, -2)] ?? "unknown";
}

/**
 * The dot products for a class (undefined for the simd build): the fastest first, then those that
 * are exact for every class. Where pairs saturate, the two steps were faster than the engine's
 * three instructions.
 */
export function chooseDots(found: DotClass | undefined, isPortable: boolean): readonly Dots[] {
  if (found === undefined) return [{ full: [PAIRS], reduced: [PAIRS] }];
  const eight = EIGHT_BITS[found];
  const reduced = [eight ? SEVEN_BITS : TWO_STEPS];
  const portable = { full: [PAIRS], reduced };
  return eight && !isPortable ? [{ full: eight, reduced }, portable] : [portable];
}

/** The weights that a relaxed build multiplies by relaxed dot products. */
export function usedFor({ full }: Dots): RelaxedDot["used"] {
  if (full[0].code === 0) return "7-bit weights";
  return refusesLeast(full[0]) ? "i8 weights without -128" : "all weights";
}

/**
 * Runs the relaxed dot products of an instance on their extreme operands, first on cold code and
 * then many times. Returns what was wrong, or undefined.
 */
export function selfTest(instance: Bytelane): string | undefined {
  const { full, reduced } = instance.dots;
  if (reduced[0].code === 0) return undefined;
  return testDot(instance, reduced[0]) ?? (full[0].code ? testDot(instance, full[0]) : undefined);
}

const ROWS = 10;
const COLUMNS = 32;
const DEPTH = 16;
const ROUNDS = 50;

/**
 * Fills an array with the least and the greatest operand of a dot product, in all 16 patterns of
 * four neighbours. Sums of two and of four products then reach both of their limits. A row has one
 * pattern over the whole depth, because errors of both signs could cancel.
 */
function fillWithEnds(
  array: Int8Array,
  ends: readonly [number, number],
  orderAt: (i: number) => readonly [order: number, k: number],
): void {
  for (let i = 0; i < array.length; i++) {
    const [order, k] = orderAt(i);
    array[i] = ends[(order >> (k & 3)) & 1];
  }
}

/** Patterns of the rows: all low, all high, alternating, in pairs, and others. */
const ROW_ORDERS = [0, 15, 5, 10, 3, 12, 9, 6, 1, 14];

/** The least and the greatest weight for a dot product. */
function endsOf(dot: Dot): readonly [number, number] {
  if (dot.offset === 64) return [-64, 63];
  return refusesLeast(dot) ? [-127, 127] : [-128, 127];
}

/** Ten rows at once and one by one, by 32 columns, so that each tile of a dot product runs. */
function testDot(instance: Bytelane, dot: Dot): string | undefined {
  const { kernels, arena, heap } = instance;
  const panels = kernels.packed_bytes(DEPTH, COLUMNS, 1);
  const workspace = kernels.gemm_workspace(ROWS, DEPTH, 1);
  const sizes = [ROWS * DEPTH, DEPTH * COLUMNS, panels, COLUMNS * 4, workspace];
  sizes.push(ROWS * COLUMNS * 4, PRODUCT_BYTES);
  const blocks = sizes.map((size) => arena.allocate(size));
  const [lhs, rhs, packed, columnSums, room, out, record] = blocks;
  try {
    const a = heap.view("i8", lhs, ROWS * DEPTH);
    const b = heap.view("i8", rhs, DEPTH * COLUMNS);
    fillWithEnds(a, [-128, 127], (i) => [ROW_ORDERS[Math.floor(i / DEPTH)], i % DEPTH]);
    fillWithEnds(b, endsOf(dot), (i) => [i % COLUMNS, Math.floor(i / COLUMNS)]);
    kernels.pack_rhs(rhs, COLUMNS, 1, DEPTH, COLUMNS, 0, 1, dot.offset, packed, columnSums);
    writeFields(heap.words, record, {
      ...{ n: COLUMNS, depth: DEPTH, dot: dot.code, panels: packed, columnSums },
      ...{ rhsZeros: 0, rhsZero: dot.offset, result: RESULT_CODES.i32, columnScales: 0, bias: 0 },
      ...{ low: 0, high: 0, zeroPoint: 0, reals: 0, realsStride: 0, lhs, lhsStride: DEPTH },
      ...{ lhsUnsigned: 0, lhsZeros: 0, lhsZero: 0, rowScales: 0, rowScale: 1 },
      ...{ dst: out, dstStride: COLUMNS * 4 },
    });
    const c = heap.view("i32", out, ROWS * COLUMNS);
    for (let round = 0; round < ROUNDS; round++) {
      const isChecked = round === 0 || round === ROUNDS - 1;
      c.fill(0);
      kernels.gemm(record, 0, ROWS, 0, COLUMNS / 8, room);
      let fault = isChecked ? compare(a, b, c) : undefined;
      c.fill(0);
      const rows = isChecked ? ROWS : 1;
      for (let row = 0; row < rows; row++) kernels.gemm(record, row, 1, 0, COLUMNS / 8, room);
      if (isChecked) fault ??= compare(a, b, c);
      if (fault) return fault;
    }
    return undefined;
  } finally {
    for (let i = 0; i < blocks.length; i++) arena.free(blocks[i], sizes[i]);
  }
}

function compare(a: Int8Array, b: Int8Array, c: Int32Array): string | undefined {
  for (let at = 0; at < c.length; at++) {
    const row = Math.floor(at / COLUMNS) * DEPTH;
    let sum = 0;
    for (let k = 0; k < DEPTH; k++) sum += a[row + k] * b[k * COLUMNS + (at % COLUMNS)];
    if (c[at] !== sum) return `a dot product gave ${c[at]} instead of ${sum}`;
  }
  return undefined;
}
