import { CALL_SHAPES, NEAR_SHAPES, shapeName, WIDE_SHAPES } from "./shapes.mjs";

/** Looks figures up in the rows of a run. */

const unique = (values) => [...new Set(values)];

/** The best figure of a contender for one case, over its tiers, or of one tier. */
export function bestOf(run, op, shape, contender, { mode = "kernel", build } = {}) {
  const rates = run.rows
    .filter(
      (row) =>
        row.op === op &&
        row.shape === shape &&
        row.contender === contender &&
        row.mode === mode &&
        (build === undefined || row.build === build) &&
        row.best !== null,
    )
    .map(({ best }) => best);
  return rates.length > 0 ? Math.max(...rates) : null;
}

/**
 * One row by weights in ggml's blocks over the same by int4 in blocks of 32: by build, and the best
 * of each. `residentOverFile` is the largest of a layer's bytes over those of its weights in a
 * file.
 */
export function ggufRatios(run) {
  const figures = {};
  const sizes = run.rows.map(({ resident }) => resident).filter(Boolean);
  if (sizes.length > 0) figures.residentOverFile = Math.max(...sizes);
  const rate = (type, build) =>
    bestOf(run, "gguf_f32_row", "1 × 4096 × 4096", `Bytelane ${type}`, { build });
  for (const type of ["Q4_1", "Q8_0", "Q4_K", "Q6_K"]) {
    for (const build of [undefined, "simd", "relaxed"]) {
      const [own, other] = [rate(type, build), rate("int4", build)];
      const name = `${type.toLowerCase().replace("_", "")}OverInt4${build ? `.${build}` : ""}`;
      if (own && other) figures[name] = own / other;
    }
  }
  return figures;
}

/** The shapes of an operation whose kernel outweighs a call. */
export const shapesOf = (run, op) =>
  unique(run.rows.filter((row) => row.op === op).map(({ shape }) => shape)).filter(
    (shape) => !CALL_SHAPES.includes(shape),
  );

/** Bytelane's best over the roof that was measured beside it. */
export function shareOf(run, op, shape, options) {
  const own = bestOf(run, op, shape, "Bytelane", options);
  const row = run.rows.find((each) => each.op === op && each.shape === shape);
  return own === null || !row ? null : own / row.roof;
}

/** Bytelane's best over that of a contender; where only kernels were timed, over its kernel. */
export function ratioOf(run, op, shape, contender, mode = "kernel", build = undefined) {
  const own = bestOf(run, op, shape, "Bytelane", { mode, build });
  const other = bestOf(run, op, shape, contender, { mode }) ?? bestOf(run, op, shape, contender);
  return own && other ? own / other : null;
}

export function geometricMean(values) {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/** Mean and least of the numbers in a list that may have gaps; null where it has nothing else. */
export function spreadOf(values) {
  const numbers = values.filter((value) => value !== null);
  if (numbers.length === 0) return null;
  return { mean: geometricMean(numbers), least: Math.min(...numbers) };
}

/** Microseconds of the fastest tier for one case. */
export function microsecondsOf(run, op, shape, contender, mode) {
  const times = run.rows
    .filter((row) => row.contender === contender && row.op === op && row.shape === shape)
    .filter((row) => row.mode === mode)
    .map(({ microseconds }) => microseconds);
  return times.length > 0 ? Math.min(...times) : null;
}

/** One row by many columns, and the bytes of their weights, in whole steps of the streams. */
export const WIDE_OP = "gemm_u8_i8_i32_wide";
export const WIDE_BYTES = 10 * 2 ** 20;

/**
 * One row by many columns, over the lesser of two limits: the stream that reads as many bytes, and
 * the same depth near. The least over the shapes; null where the run lacks one of them.
 */
function wideOfLimit(run) {
  const stream = run.roofs?.memory?.[WIDE_BYTES]?.load4;
  const shares = WIDE_SHAPES.map((shape, i) => {
    const far = bestOf(run, WIDE_OP, shapeName(shape), "Bytelane");
    const near = bestOf(run, WIDE_OP, shapeName(NEAR_SHAPES[i]), "Bytelane");
    // a byte of weights is two operations
    return far && near && stream ? far / Math.min(near, 2 * stream) : null;
  });
  return shares.includes(null) ? null : Math.min(...shares);
}

const ROW = "1 × 4096 × 4096";

function int4OverInt8(run, build) {
  const rate = (op) => bestOf(run, op, ROW, "Bytelane", { build });
  const [four, eight] = [rate("gemm_f32_i4_block32"), rate("linear_dynamic_f32")];
  return four && eight ? four / eight : null;
}

/** 1 where the engine makes one instruction of a fused dot product, as x64 has it with VNNI. */
function vnniOf({ machine, roofs }) {
  if (machine.vnni !== null) return machine.vnni ? 1 : 0;
  if (!roofs?.registers.fused) return null;
  return roofs.registers.fused > 1.5 * roofs.registers.dot ? 1 : 0;
}

/** The figures of a run that are asked for by name. */
export function headline(run) {
  const over = (contender, op) =>
    spreadOf(shapesOf(run, op).map((shape) => ratioOf(run, op, shape, contender)));
  const liteRt = over("LiteRT.js", "gemm_i8_i8_i8");
  const all = {
    overLiteRt: liteRt?.mean,
    overLiteRtLeast: liteRt?.least,
    overOrtWebU8I8: over("onnxruntime-web", "gemm_u8_i8_i32")?.mean,
    wideOfLimit: wideOfLimit(run),
    int4OverInt8Simd: int4OverInt8(run, "simd"),
    vnni: vnniOf(run),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => typeof value === "number"));
}
