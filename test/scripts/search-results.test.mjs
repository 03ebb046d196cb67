/** The figures of search packages as the README shows them. */
import { expect, it } from "vitest";
import { readSearchResults, searchRows } from "../../bench/search/results.mjs";

const scans = {
  figures: {
    ...{ "plainMs.simd": 40, "plainMs.relaxed": 50, "fourMs.simd": 4, "fourMs.relaxed": 2 },
    ...{ "usearchMs.simd": 3, "usearchMs.relaxed": 3, "eightMs.simd": 6, "eightMs.relaxed": 5 },
  },
};

it("compares the faster builds, and says what is lost", () => {
  const rows = searchRows([scans, undefined]);
  expect(rows.map(({ values }) => values)).toEqual([
    [20, undefined],
    [1.5, undefined],
    [0.6, undefined],
  ]);
});

it("has graphs where they were measured", () => {
  const graphs = {
    ...{ count: 50_000, dimensions: 512 },
    rows: {
      bytelane: { recall: 1, milliseconds: 0.5, addMicros: 10 },
      usearch: { recall: 1, milliseconds: 0.25, addMicros: 2000 },
    },
  };
  const rows = searchRows([{ figures: {}, graphs }]);
  expect(rows).toEqual([
    { label: "search of 50,000 × 512, over a graph of usearch (native)", values: [0.5] },
    { label: "adding a vector, over a graph of usearch", values: [200] },
  ]);
});

it("are kept for two runtimes at least, in order", () => {
  const majors = readSearchResults().map(({ runtime }) => Number.parseInt(runtime.version, 10));
  expect(majors.length).toBeGreaterThanOrEqual(2);
  expect(majors).toEqual(majors.toSorted((a, b) => a - b));
});
