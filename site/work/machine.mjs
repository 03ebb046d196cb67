/** The worker of "your machine": builds, conformance, and a benchmark of two seconds. */
import { createBytelane, matmul, minMax, packMatrix, quantize, tensor } from "bytelane";
import { createBlockedGemm, packWeights, quantize as plainQuantize } from "../../bench/plain.mjs";
import { serveCalls } from "./calls.mjs";

const SIZE = 256;
const VALUES = 1_000_000;
const SLICE = 200;
const LEAST = 8;

/**
 * The best of the runs that fit into a slice of time, in milliseconds per run. Clocks of browsers
 * have steps of up to 1 ms, so that a sample is as many runs as take 8 ms.
 */
function time(run) {
  const sample = (count) => {
    const start = performance.now();
    for (let i = 0; i < count; i++) run();
    return performance.now() - start;
  };
  let count = 1;
  let taken = sample(count);
  while (taken < LEAST) {
    count *= 2;
    taken = sample(count);
  }
  let best = taken / count;
  const end = performance.now() + SLICE;
  while (performance.now() < end) best = Math.min(best, sample(count) / count);
  return best;
}

/** An instance of each tier that this engine has, or why it has none. */
async function openTiers() {
  const tiers = [];
  for (const tier of ["simd", "relaxed"]) {
    try {
      tiers.push({ tier, instance: await createBytelane({ tier }) });
    } catch (error) {
      tiers.push({ tier, refusal: error.message });
    }
  }
  return tiers;
}

const tiers = openTiers();

const bytes = (length, spread) =>
  Int8Array.from({ length }, (_, i) => ((i * 89) % spread) - (spread >> 1));

serveCalls({
  async probe() {
    const chosen = await createBytelane();
    const { tier, reason, probed } = chosen.report();
    chosen.dispose();
    const all = (await tiers).map(({ tier: name, refusal }) => ({
      name,
      refusal: refusal ?? null,
    }));
    return { result: { tier, reason, probed: probed.map((each) => ({ ...each })), tiers: all } };
  },

  async conform() {
    const { conformance } = await import("bytelane/conformance");
    const results = (await tiers)
      .filter(({ instance }) => instance)
      .map(({ tier, instance }) => {
        const { passed, rows } = conformance(instance);
        return { tier, passed, calls: rows.length };
      });
    return { result: results };
  },

  /** GOPS of a product and GB/s of quantizing, of plain JavaScript and of each tier. */
  async bench() {
    const lhs = Uint8Array.from(bytes(SIZE * SIZE, 255), (value) => value + 128);
    const rhs = bytes(SIZE * SIZE, 253);
    const x = Float32Array.from({ length: VALUES }, (_, i) => Math.sin(i));
    const operations = 2 * SIZE ** 3;
    const traffic = 5 * VALUES;
    const rows = [];
    const add = (name, product, quantizing) => {
      rows.push({ name, gops: operations / product / 1e6, gbs: traffic / quantizing / 1e6 });
    };
    const packed = packWeights(rhs, SIZE, SIZE);
    const sums = new Int32Array(SIZE * SIZE);
    const codes = new Int8Array(VALUES);
    const gemm = createBlockedGemm({ m: SIZE, n: SIZE, k: SIZE });
    add(
      "plain JavaScript",
      time(() => gemm(lhs, 0, packed, sums)),
      time(() => plainQuantize(x, 1 / 127, 0, -128, 127, codes)),
    );
    for (const { tier, instance } of await tiers) {
      if (!instance) continue;
      const left = tensor(instance, "u8", [SIZE, SIZE], lhs);
      const right = packMatrix(instance, rhs, { shape: [SIZE, SIZE] });
      const out = tensor(instance, "i32", [SIZE, SIZE]);
      const values = tensor(instance, "f32", [VALUES], x);
      const quantized = tensor(instance, "i8", [VALUES]);
      const { min, max } = minMax(instance, values);
      const params = { scale: Math.max(-min, max) / 127 };
      add(
        tier,
        time(() => matmul(instance, { values: left }, { values: right }, { out })),
        time(() => quantize(instance, values, params, { out: quantized })),
      );
      for (const each of [left, right, out, values, quantized]) each.dispose();
    }
    return { result: rows };
  },
});
