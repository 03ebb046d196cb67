/** npm run mutants: does a test fail when the code is wrong? HELP says how. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { integerOption, runCommand, writeJson } from "../../tools/command.mjs";
import { createProgress } from "../../tools/progress.mjs";
import { createRandom, shuffle } from "../../tools/random.mjs";
import { forget, judge } from "./judge.mjs";
import { mutantsOf } from "./mutate.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));

const HELP = `
Changes the code in one place at a time, and sees whether that is found out: by fuzzed calls, and
for src by the tests of the same room and those of errors. Prints what survives.

  --source N     mutants of src, a seeded sample; default 600
  --assembly N   mutants of assembly; default 240
  --seed N       of the sample; default 1
  --only TEXT    only files whose name contains TEXT
  --minutes N    stops after so long, and says how many were judged; default 240
  --quick        fuzzed calls only
  --json FILE    also writes the figures as one JSON object`;

/** Files whose lines are what the operations run; others are formats, entries and tables. */
const SOURCES =
  /^src\/(core|params|elementwise|gemm|linear|int4|search|calibration|formats)\/(?!charts|plan-table|text)[\w-]+\.ts$/;
const KERNELS = /^assembly\/(?!index|nn\/)[\w/-]+\.ts$/;

/** Survivors that change nothing that anybody can see, each with the reason. */
const explained = JSON.parse(readFileSync(new URL("explained.json", import.meta.url), "utf8"));
const isExplained = ({ file, from, to, text, line }) =>
  explained.some(
    (each) =>
      each.file === file &&
      each.from === from &&
      each.to === to &&
      text.split("\n")[line - 1].includes(each.near),
  );

function sample(pattern, count, seed, only) {
  const files = ["src", "assembly"].flatMap((folder) =>
    readdirSync(path.join(root, folder), { recursive: true }).map((name) =>
      path.posix.join(folder, ...name.split(path.sep)),
    ),
  );
  const chosen = files.filter((file) => pattern.test(file) && file.includes(only)).sort();
  const all = chosen.flatMap((file) =>
    mutantsOf(file, readFileSync(path.join(root, file), "utf8")),
  );
  shuffle(all, createRandom(seed));
  return all.slice(0, count);
}

async function judgeAll(mutants, end, options) {
  const progress = createProgress("mutants", mutants.length);
  const counts = { killed: 0, survived: 0, invalid: 0, explained: 0 };
  const survivors = [];
  for (const [i, mutant] of mutants.entries()) {
    if (Date.now() > end) break;
    const { file, line, from, to } = mutant;
    progress(i, `${file}:${line}`);
    let state = await judge(mutant, options);
    if (state === "survived" && isExplained(mutant)) state = "explained";
    counts[state]++;
    if (state === "survived") {
      survivors.push({ file, line, from, to });
      progress.clear();
      console.log(`survived  ${file}:${line}  ${from}  →  ${to || "(nothing)"}`);
    }
  }
  progress.clear();
  return { counts, survivors };
}

async function main(values) {
  const minutes = integerOption("minutes", values.minutes, 1, 10_000);
  const seed = integerOption("seed", values.seed, 0, 2 ** 31 - 1);
  const end = Date.now() + minutes * 60_000;
  const options = { isQuick: values.quick };
  const figures = {};
  const survivors = [];
  for (const [name, pattern] of [
    ["Assembly", KERNELS],
    ["Source", SOURCES],
  ]) {
    const count = integerOption(name.toLowerCase(), values[name.toLowerCase()], 0, 1e6);
    const mutants = sample(pattern, count, seed, values.only);
    const judged = await judgeAll(mutants, end, options);
    const { killed, survived, invalid, explained: known } = judged.counts;
    const share = killed + survived > 0 ? killed / (killed + survived) : 1;
    figures[`killed${name}`] = share;
    figures[`judged${name}`] = killed + survived + known;
    survivors.push(...judged.survivors);
    console.log(
      `${name}: ${killed} of ${killed + survived} killed (${(100 * share).toFixed(1)} %), ` +
        `${known} explained, ${invalid} do not compile`,
    );
  }
  forget();
  writeJson(values.json, { command: "mutants", seed, figures, survivors });
}

const options = {
  source: { type: "string", default: "600" },
  assembly: { type: "string", default: "240" },
  seed: { type: "string", default: "1" },
  only: { type: "string", default: "" },
  minutes: { type: "string", default: "240" },
  quick: { type: "boolean", default: false },
};
await runCommand({ help: HELP, options }, main);
