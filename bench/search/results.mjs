/** What bench:search came to, one file per runtime in bench/results/search. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { writeJson } from "../../tools/command.mjs";

const FOLDER = fileURLToPath(new URL("../results/search", import.meta.url));

const readJson = (file) => JSON.parse(readFileSync(file, "utf8"));

/** Keeps a run. Figures that it did not measure stay those of the run before. */
export function keepResults(run) {
  const { name, version } = run.runtime;
  const file = path.join(FOLDER, `${name.toLowerCase()}-${version.split(".")[0]}.json`);
  const before = existsSync(file) ? readJson(file) : {};
  const date = new Date().toISOString().slice(0, 10);
  const { looks = [] } = before;
  writeJson(file, {
    ...{ ...before, ...run, date },
    figures: { ...before.figures, ...run.figures },
    looks: run.looks.length > 0 ? run.looks : looks,
  });
  return file;
}

/** The runs that were kept, in the order of their runtimes. */
export function readSearchResults(folder = FOLDER) {
  if (!existsSync(folder)) return [];
  const major = ({ runtime }) => Number.parseInt(runtime.version, 10);
  return readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .map((name) => readJson(path.join(folder, name)))
    .sort((a, b) => major(a) - major(b));
}

const over = (a, b) => (a !== undefined && b !== undefined ? a / b : undefined);

/** The faster of the two builds. */
const least = (figures, name) => {
  const times = ["simd", "relaxed"].map((tier) => figures[`${name}.${tier}`]);
  const known = times.filter((each) => each !== undefined);
  return known.length > 0 ? Math.min(...known) : undefined;
};

/** A label or what gives one from a run, and how many times as fast Bytelane is in a run. */
const ROWS = [
  [
    "search of 100 000 × 768, two looks, over plain JavaScript on f32",
    ({ figures }) => over(least(figures, "plainMs"), least(figures, "fourMs")),
  ],
  [
    "the same, over usearch's exact search of int8 (native)",
    ({ figures }) => over(least(figures, "usearchMs"), least(figures, "fourMs")),
  ],
  [
    "a scan of all 8 bits, over usearch's exact search of int8",
    ({ figures }) => over(least(figures, "usearchMs"), least(figures, "eightMs")),
  ],
  ...["usearch", "hnswlib"].flatMap((name) => [
    [
      ({ graphs: { count, dimensions } }) =>
        `search of ${count.toLocaleString("en")} × ${dimensions}, over a graph of ${name} (native)`,
      ({ graphs }) => over(graphs?.rows[name]?.milliseconds, graphs?.rows.bytelane.milliseconds),
    ],
    [
      `adding a vector, over a graph of ${name}`,
      ({ graphs }) => over(graphs?.rows[name]?.addMicros, graphs?.rows.bytelane.addMicros),
    ],
  ]),
];

/**
 * Rows of the README: a label, and for each run how many times as fast Bytelane is, or undefined
 * where the run did not measure it.
 */
export function searchRows(runs) {
  return ROWS.flatMap(([label, answer]) => {
    const values = runs.map((run) => run && answer(run));
    const measured = runs.find((_, i) => values[i] !== undefined);
    if (!measured) return [];
    return [{ label: typeof label === "string" ? label : label(measured), values }];
  });
}
