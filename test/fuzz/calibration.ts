/** Fuzzed observers: batches in any order and size, merged and saved, against the definitions. */
import fc from "fast-check";
import * as calibration from "../../src/calibration/index.ts";
import * as bytelane from "../../src/entries/index.ts";
import * as oracle from "../reference/calibration.ts";
import { kinds, lengths, reals, seeds } from "./data.ts";
import { type Operation, operation, type Untyped } from "./operation.ts";
import { expectNear, expectSame, places } from "./world.ts";

// options are drawn at run time: no overload fits them
const { createObserver, loadObserver, quantizationError }: Untyped<typeof calibration> =
  calibration;
const { quantize }: Untyped<typeof bytelane> = bytelane;

const BINS = 256;
const plain = (value: unknown) => JSON.parse(JSON.stringify(value));

const observers = operation(
  "observers",
  fc.record({
    ...{ seed: seeds, kind: kinds, batches: fc.array(lengths, { minLength: 1, maxLength: 4 }) },
    ...{ x: places, merged: fc.boolean(), saved: fc.boolean() },
    method: fc.constantFrom("minmax", "percentile", "entropy", "mse"),
  }),
  (world, { seed, kind, batches, x, merged, saved, method }) => {
    const instance = world.instance;
    const options = { method, ...(method !== "minmax" && { bins: BINS }) };
    const make = () => createObserver(instance, options);
    let observer = make();
    const all: number[] = [];
    for (const [i, n] of batches.entries()) {
      const values = reals(n, seed + i, kind);
      all.push(...values);
      const source = world.input(values, x);
      if (merged) observer.merge(make().observe(source.get()));
      else observer.observe(source.get());
      if (saved) observer = loadObserver(instance, plain(observer.save()));
    }
    const numbers = oracle.finite(all);
    expectSame(
      [observer.observed, observer.skipped],
      [numbers.length, all.length - numbers.length],
      "what was seen",
    );
    if (numbers.length === 0) return;
    const ends = [Math.min(...numbers), Math.max(...numbers)].map((end) => end + 0);
    if (method === "minmax") {
      const { min, max } = observer.range();
      expectSame([min, max], ends, "the range");
      return;
    }
    const { counts, min, max, total } = observer.histogram();
    expectSame([min + 0, max + 0, total], [...ends, numbers.length], "the extremes");
    expectSame(counts, oracle.histogram(numbers, BINS), "the counts");
    const range = observer.range({ scheme: "asymmetric", dtype: "u8" });
    if (!(range.min <= range.max)) throw new Error(`a range from ${range.min} to ${range.max}`);
  },
);

const reports = operation(
  "quantizationError",
  fc.record({ seed: seeds, n: lengths, x: places }),
  (world, { seed, n, x }) => {
    const instance = world.instance;
    const values = reals(n + 1, seed, "small");
    const params = { scale: 1.25, zeroPoint: 3 };
    const q = quantize(instance, values, params);
    const source = world.input(values, x);
    const found = quantizationError(instance, source.get(), q, params);
    const back = Array.from(q, (each: number) => (each - 3) * 1.25);
    const wanted = oracle.report(values, back);
    const names = ["mse", "maxError", "cosine"] as const;
    const got = names.map((name) => Number(found[name]));
    expectNear(
      got,
      // of zeros the cosine is 0
      names.map((name) => wanted[name] || 0),
      (right) => 1e-9 * Math.abs(right) + 1e-12,
      "a report",
    );
  },
);

export const calibrations: readonly Operation<unknown>[] = [observers, reports];
