// Products full of the ends of their types, by code that is cold and code that is hot: engines may
// compute a relaxed instruction in another way once they optimize, and differ on the ends first.

const ends = {
  i8: [-128, 127],
  u8: [0, 255],
};
const arrays = { i8: Int8Array, u8: Uint8Array };

const m = 5;
const n = 32;
const depth = 40;

/**
 * Enough for each engine to optimize: V8 on arm64 changed its answer after 40 and after 209 calls.
 */
const calls = 600;

/**
 * Patterns of which end stands where: alternating, in pairs, in fours, the low end, the high end.
 */
const patterns = [(i) => i & 1, (i) => (i >> 1) & 1, (i) => (i >> 2) & 1, () => 0, () => 1];

const fill = (dtype, length, pattern) =>
  arrays[dtype].from({ length }, (_, i) => ends[dtype][pattern(i)]);

function multiply(a, b) {
  const sums = new Int32Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let k = 0; k < depth; k++) sum += a[i * depth + k] * b[k * n + j];
      sums[i * n + j] = sum;
    }
  }
  return sums;
}

/** Every mix of types and patterns, first cold. Returns the failures in words. */
export function checkExtremes({ matmul }, instance) {
  const failures = [];
  const out = new Int32Array(m * n);
  const cases = [];
  for (const left of ["u8", "i8"]) {
    for (const right of ["i8", "u8"]) {
      for (const [p, first] of patterns.entries()) {
        for (const [q, second] of patterns.entries()) {
          const [a, b] = [fill(left, m * depth, first), fill(right, depth * n, second)];
          const label = `${left} · ${right}, patterns ${p} and ${q}`;
          cases.push({ label, a, b, wanted: multiply(a, b) });
        }
      }
    }
  }
  const check = ({ label, a, b, wanted }, when) => {
    matmul(instance, { values: a }, { values: b }, { m, n, depth, out });
    const at = out.findIndex((value, i) => value !== wanted[i]);
    if (at >= 0) failures.push(`${label}, ${when}: ${out[at]} instead of ${wanted[at]} at ${at}`);
  };
  for (const each of cases) check(each, "cold");
  for (let call = 0; call < calls; call++) check(cases[call % cases.length], `call ${call}`);
  return failures.slice(0, 3);
}
