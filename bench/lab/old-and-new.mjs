/** Two builds of this project in one process, sample by sample: what a change costs or brings. */
import path from "node:path";
import { pathToFileURL } from "node:url";
import { integerOption, runCommand, writeJson } from "../../tools/command.mjs";
import { createProgress } from "../../tools/progress.mjs";
import { textTable } from "../../tools/table.mjs";
import { selectCases } from "../cases.mjs";
import { countDifferences, timeCalls } from "../harness.mjs";
import { CALL_SHAPES } from "../shapes.mjs";

const HELP = `Interleaves the products and kernels of an older checkout with those of this one.

  --old DIR       a built checkout to compare with
  --filter TEXT   only cases whose "op shape" contains one of these comma-separated texts
  --quick         one or two cases of each operation
  --rounds N      samples of each, interleaved; the shortest counts (default 24)
  --json FILE     also writes the ratios, old time / new time, as one JSON object`;

/** Milliseconds that a sample lasts at least. */
const SAMPLE_MS = 1.5;
const WARM_MS = 60;
/** The cost of a call is asserted for these besides the shapes that are there for it. */
const SMALL = "32³";

const open = async (root) => {
  const file = pathToFileURL(path.resolve(root, "bench/contenders/bytelane.mjs"));
  return (await import(file.href)).openBytelane({ tiers: ["simd", "relaxed"] });
};

/** The shortest time per call of both, in turns. */
async function compare(contenders, rounds) {
  const counts = [];
  for (const { run } of contenders) {
    let iterations = 1;
    const end = performance.now() + WARM_MS;
    do {
      const each = await timeCalls(run, false, iterations);
      iterations = Math.max(1, Math.ceil(SAMPLE_MS / Math.max(each, 1e-4)));
      await new Promise(setImmediate);
    } while (performance.now() < end);
    counts.push(iterations);
  }
  const best = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let round = 0; round < 2 * rounds; round++) {
    const which = (round + (round >> 1)) & 1;
    const each = await timeCalls(contenders[which].run, false, counts[which]);
    best[which] = Math.min(best[which], each);
  }
  return best;
}

const geometricMean = (values) =>
  Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);

/** The ratios by kind: kernels, and what is there for the cost of a call. */
function figuresOf(rows) {
  const figures = { rows: rows.length };
  const kernels = rows.filter(({ mode, isCall }) => mode === "kernel" && !isCall);
  const groups = {
    gemm: kernels.filter(({ op }) => op.startsWith("gemm") && !op.includes("int4")),
    int4: kernels.filter(({ op }) => op.includes("int4")),
    elementwise: kernels.filter(({ op }) => !op.startsWith("gemm")),
    all: kernels,
    call: rows.filter(({ isCall }) => isCall),
    small: rows.filter(({ shape }) => shape === SMALL),
  };
  for (const [name, group] of Object.entries(groups)) {
    const ratios = group.map(({ ratio }) => ratio);
    if (ratios.length === 0) continue;
    figures[`${name}Mean`] = geometricMean(ratios);
    figures[`${name}Least`] = Math.min(...ratios);
  }
  return figures;
}

await runCommand(
  {
    help: HELP,
    options: {
      old: { type: "string", default: "" },
      filter: { type: "string", default: "" },
      quick: { type: "boolean", default: false },
      rounds: { type: "string", default: "24" },
    },
  },
  async ({ old, filter, quick, rounds, json }) => {
    if (!old) throw new TypeError('"--old" expected the folder of a built checkout, got none');
    const count = integerOption("rounds", rounds, 1, 1000);
    const contend = [await open(old), await open(path.resolve(import.meta.dirname, "../.."))];
    const cases = selectCases({ filter, quick });
    const progress = createProgress("old and new", cases.length);
    const rows = [];
    for (const [done, item] of cases.entries()) {
      progress(done, `${item.op} ${item.shape}`);
      const [before, after] = contend.map((one) => one(item));
      for (const a of before) {
        const b = after.find(({ build, mode }) => build === a.build && mode === a.mode);
        if (!b) continue;
        a.run();
        b.run();
        const wrong = countDifferences(b.output(), a.output(), item.tolerance);
        if (wrong > 0) throw new Error(`${item.op} ${item.shape}: ${wrong} results differ`);
        const [oldMs, newMs] = await compare([a, b], count);
        rows.push({
          ...{ op: item.op, shape: item.shape, build: a.build, mode: a.mode },
          ...{ isCall: CALL_SHAPES.includes(item.shape), oldMs, newMs, ratio: oldMs / newMs },
        });
      }
      for (const one of [...before, ...after]) one.dispose();
      item.release();
    }
    progress.clear();
    const lines = rows.map(({ op, shape, build, mode, oldMs, newMs, ratio }) => [
      ...[op, shape, build, mode, (oldMs * 1000).toFixed(2), (newMs * 1000).toFixed(2)],
      ratio.toFixed(3),
    ]);
    const head = ["operation", "shape", "build", "mode", "old µs", "new µs", "old / new"];
    console.log(textTable([head, ...lines], { left: [0, 1, 2, 3] }));
    const figures = figuresOf(rows);
    console.log("");
    for (const [name, value] of Object.entries(figures)) console.log(name, value.toFixed(3));
    writeJson(json, { figures, rows });
  },
);
