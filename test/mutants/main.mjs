/** npm run mutants: does a test fail when the code is wrong? HELP says how. */
import { readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { integerOption, runCommand, writeJson } from "../../tools/command.mjs";
import { createProgress } from "../../tools/progress.mjs";
import { createRandom, shuffle } from "../../tools/random.mjs";
import { bundleTests, home, root, testFiles } from "./bundle.mjs";
import { compile } from "./compile.mjs";
import { Judge } from "./judge.mjs";
import { mutantsOf, withMutant } from "./mutate.mjs";
import { kernelsThrough } from "./reach.mjs";

const HELP = `
Changes the code in one place at a time, and sees whether a test fails. For src these are the tests
that run through that place, found out beforehand. For assembly, which is compiled anew, these are
the tests that call an export which imports the file, those of its room first. Prints what survives.
On Node 20 no relaxed dot product is exact: kernels that need one do not run, and their mutants
survive. Take Node 22 or later.

  --source N     mutants of src, a seeded sample; default 600
  --assembly N   mutants of assembly; default 240
  --seed N       of the sample; default 1
  --only TEXT    only files whose name contains TEXT
  --minutes N    stops after so long, and says how many were judged; default 240
  --again FILE   judges the survivors of an earlier run of the same code once more, from its JSON;
                 the figures are those of that run, with what is killed or explained since
  --json FILE    also writes the figures as one JSON object`;

/** Files whose lines the operations run; others are entries, and what makes text. */
const SOURCES =
  /^src\/(core|params|elementwise|gemm|linear|int4|search|calibration|formats|gguf|nn)\/(?!charts|plan-table|text|types)[\w-]+\.ts$/;
const KERNELS = /^assembly\/(?!index|nn\/)[\w/-]+\.ts$/;

/** Survivors that change nothing that anybody can see, each with the reason. */
const explained = JSON.parse(readFileSync(new URL("explained.json", import.meta.url), "utf8"));
const isExplained = ({ file, from, to, line }) =>
  explained.some(
    (each) =>
      each.file === file &&
      each.from === from &&
      each.to === to &&
      lineOf(file, line).includes(each.near),
  );

const texts = new Map();
function textOf(file) {
  if (!texts.has(file)) texts.set(file, readFileSync(path.join(root, file), "utf8"));
  return texts.get(file);
}
const lineOf = (file, line) => textOf(file).split("\n")[line - 1];

function sample(pattern, count, seed, only) {
  const files = ["src", "assembly"].flatMap((folder) =>
    readdirSync(path.join(root, folder), { recursive: true }).map((name) =>
      path.posix.join(folder, ...name.split(path.sep)),
    ),
  );
  const chosen = files.filter((file) => pattern.test(file) && file.includes(only)).sort();
  const all = chosen.flatMap((file) => mutantsOf(file, textOf(file)));
  shuffle(all, createRandom(seed));
  return all.slice(0, count);
}

/** The survivors of an earlier run whose files match. They must be mutants of the code as it is. */
function survivorsOf({ survivors }, pattern) {
  const chosen = survivors.filter(({ file }) => pattern.test(file));
  return chosen.map(({ file, line, from, to }) => {
    const found = mutantsOf(file, textOf(file)).find(
      (each) => each.line === line && each.from === from && each.to === to,
    );
    if (found) return found;
    throw new RangeError(`"--again" expected mutants of this code, got ${file}:${line} ${from}`);
  });
}

/** The counts of an earlier run together with those of its survivors. */
function together(figures, name, { killed, explained: known, invalid }) {
  const [judged, share, knownBefore] = ["judged", "killed", "explained"].map(
    (figure) => figures[`${figure}${name}`],
  );
  const allKilled = Math.round(share * (judged - knownBefore)) + killed;
  const allKnown = knownBefore + known;
  return {
    ...{ killed: allKilled, explained: allKnown, invalid },
    survived: judged - allKnown - allKilled,
  };
}

/** A mutant that can be run: that of a kernel with the builds it is in. */
async function prepare(mutant) {
  if (!mutant.isKernel) return mutant;
  const pieces = await compile(mutant.file, withMutant(textOf(mutant.file), mutant));
  return pieces && { ...mutant, pieces, kernels: kernelsThrough(mutant.file) };
}

async function judgeAll(mutants, end, judge) {
  const progress = createProgress("mutants", mutants.length);
  const counts = { killed: 0, survived: 0, invalid: 0, explained: 0 };
  const survivors = [];
  let preparing = mutants.length > 0 ? prepare(mutants[0]) : undefined;
  for (const [i, mutant] of mutants.entries()) {
    if (Date.now() > end) break;
    const { file, line, from, to } = mutant;
    progress(i, `${file}:${line}`);
    const prepared = await preparing;
    const judging = prepared && judge.judge(prepared);
    // the next one is compiled while the tests of this one run
    preparing = i + 1 < mutants.length ? prepare(mutants[i + 1]) : undefined;
    if (!prepared) counts.invalid++;
    else if ((await judging).killer) counts.killed++;
    else if (isExplained(mutant)) counts.explained++;
    else {
      counts.survived++;
      survivors.push({ file, line, from, to });
      progress.clear();
      console.log(`survived  ${file}:${line}  ${from}  →  ${to || "(nothing)"}`);
      console.log(`          ${lineOf(file, line).trim()}`);
    }
  }
  progress.clear();
  return { counts, survivors };
}

async function main(values) {
  const minutes = integerOption("minutes", values.minutes, 1, 10_000);
  const seed = integerOption("seed", values.seed, 0, 2 ** 31 - 1);
  const before = values.again && JSON.parse(readFileSync(values.again, "utf8"));
  const end = Date.now() + minutes * 60_000;
  const [sources, kernels] = [
    ["source", SOURCES],
    ["assembly", KERNELS],
  ].map(([name, pattern]) =>
    before
      ? survivorsOf(before, pattern)
      : sample(pattern, integerOption(name, values[name], 0, 1e6), seed, values.only),
  );
  const all = [
    ...sources.map((mutant, id) => ({ ...mutant, id })),
    ...kernels.map((mutant) => ({ ...mutant, id: -1, isKernel: true })),
  ];
  const files = testFiles();
  const bundles = await bundleTests(
    files,
    all.filter(({ isKernel }) => !isKernel),
  );
  const judge = new Judge();
  const progress = createProgress("files of tests", files.length);
  const { tests, passing } = await judge.survey(bundles, files, progress);
  progress.clear();
  console.log(`${passing} of ${tests} tests can judge mutants`);
  const figures = { tests: passing };
  const survivors = [];
  for (const isKernel of [false, true]) {
    const name = isKernel ? "Assembly" : "Source";
    const mutants = all.filter((mutant) => Boolean(mutant.isKernel) === isKernel);
    const judged = await judgeAll(mutants, end, judge);
    const counts = before ? together(before.figures, name, judged.counts) : judged.counts;
    const { killed, survived, invalid, explained: known } = counts;
    const share = killed + survived > 0 ? killed / (killed + survived) : 1;
    figures[`killed${name}`] = share;
    figures[`judged${name}`] = killed + survived + known;
    figures[`explained${name}`] = known;
    survivors.push(...judged.survivors);
    console.log(
      `${name}: ${killed} of ${killed + survived} killed (${(100 * share).toFixed(1)} %), ` +
        `${known} explained, ${invalid} do not compile`,
    );
  }
  judge.end();
  rmSync(home, { recursive: true, force: true });
  writeJson(values.json, { command: "mutants", seed, figures, survivors });
}

const options = {
  source: { type: "string", default: "600" },
  assembly: { type: "string", default: "240" },
  seed: { type: "string", default: "1" },
  only: { type: "string", default: "" },
  again: { type: "string" },
  minutes: { type: "string", default: "240" },
};
await runCommand({ help: HELP, options }, main);
