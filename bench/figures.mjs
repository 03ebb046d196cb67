import { CALL_SHAPES } from "./shapes.mjs";

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
 * of each.
 */
export function ggufRatios(run) {
  const figures = {};
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
