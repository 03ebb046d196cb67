/** Two builds of this project in one process, sample by sample: what a change costs or brings. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { integerOption, runCommand, writeJson } from "../../tools/command.mjs";
import { createProgress } from "../../tools/progress.mjs";
import { textTable } from "../../tools/table.mjs";
import { countDifferences, timeCalls } from "../harness.mjs";
import { CALL_SHAPES } from "../shapes.mjs";

const HELP = `Interleaves the products and kernels of an older checkout with those of this one.

  --old REVISION  what to compare with: a revision of git, which is cloned to build/old/ and built
                  there with its own packages on first use, or the folder of a built checkout
  --filter TEXT   only cases whose "op shape" contains one of these comma-separated texts
  --quick         one or two cases of each operation
  --rounds N      samples of each, interleaved; the shortest counts (default 24)
  --json FILE     also writes the ratios, old time / new time, as one JSON object`;

/** Milliseconds that a sample lasts at least. */
const SAMPLE_MS = 1.5;
const WARM_MS = 60;
/** The cost of a call is asserted for these besides the shapes that are there for it. */
const SMALL = "32³";

const ROOT = path.resolve(import.meta.dirname, "../..");

/**
 * Before 0.2.0 the contender of a case without variants got "" for one, which products take for
 * their number of bits.
 */
function mendVariants(folder) {
  const file = path.join(folder, "bench", "contenders", "bytelane.mjs");
  const text = readFileSync(file, "utf8");
  writeFileSync(file, text.replace('(item.variants ?? [""])', "(item.variants ?? [undefined])"));
}

/** The folder of a checkout that is built: the given one, or a clone of a revision. */
function checkoutOf(old) {
  if (existsSync(path.join(old, "dist", "index.js"))) return path.resolve(old);
  const options = { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] };
  const revision = execFileSync(
    "git",
    ["rev-parse", "--verify", `${old}^{commit}`],
    options,
  ).trim();
  const folder = path.join(ROOT, "build", "old", revision);
  const stamp = path.join(folder, "build", "is-built");
  if (existsSync(stamp)) return folder;
  process.stderr.write(`building ${revision} in ${folder}\n`);
  const run = (cwd, program, ...args) =>
    execFileSync(program, args, { cwd, stdio: ["ignore", "ignore", "inherit"] });
  if (!existsSync(folder)) {
    mkdirSync(path.dirname(folder), { recursive: true });
    run(ROOT, "git", "clone", "--quiet", "--no-checkout", ROOT, folder);
    run(folder, "git", "checkout", "--quiet", revision);
    mendVariants(folder);
  }
  run(folder, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund");
  run(folder, "npm", "run", "build");
  mkdirSync(path.dirname(stamp), { recursive: true });
  writeFileSync(stamp, "");
  return folder;
}

/** The contenders and the cases of a checkout: a version knows the names of its own data only. */
async function open(root) {
  const load = (file) => import(pathToFileURL(path.join(root, "bench", file)).href);
  const [{ openBytelane }, { selectCases }] = await Promise.all([
    load("contenders/bytelane.mjs"),
    load("cases.mjs"),
  ]);
  return { contend: await openBytelane({ tiers: ["simd", "relaxed"] }), selectCases };
}

/** Whether two versions of a case have the same arrays: then their results must agree. */
function hasSameData(one, other) {
  return ["lhs", "weights", "x", "q", "sums"].every((name) => {
    const [a, b] = [one[name], other[name]];
    return a?.length === b?.length && (!a || a.every((value, i) => value === b[i]));
  });
}

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
    if (!old) throw new TypeError('"--old" expected a revision or a built checkout, got none');
    const count = integerOption("rounds", rounds, 1, 1000);
    const sides = [await open(checkoutOf(old)), await open(ROOT)];
    const [olds, cases] = sides.map(({ selectCases }) => selectCases({ filter, quick }));
    const progress = createProgress("old and new", cases.length);
    const rows = [];
    for (const [done, item] of cases.entries()) {
      progress(done, `${item.op} ${item.shape}`);
      const twin = olds.find(({ op, shape }) => op === item.op && shape === item.shape);
      if (!twin) continue;
      const before = sides[0].contend(twin);
      const after = sides[1].contend(item);
      const isSame = hasSameData(twin.data, item.data);
      for (const a of before) {
        const b = after.find(({ build, mode }) => build === a.build && mode === a.mode);
        if (!b) continue;
        a.run();
        b.run();
        const wrong = isSame ? countDifferences(b.output(), a.output(), item.tolerance) : 0;
        if (wrong > 0) throw new Error(`${item.op} ${item.shape}: ${wrong} results differ`);
        const [oldMs, newMs] = await compare([a, b], count);
        rows.push({
          ...{ op: item.op, shape: item.shape, build: a.build, mode: a.mode },
          ...{ isCall: CALL_SHAPES.includes(item.shape), oldMs, newMs, ratio: oldMs / newMs },
        });
      }
      for (const one of [...before, ...after]) one.dispose();
      item.release();
      twin.release();
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
