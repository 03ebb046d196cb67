/** Small jobs on workers, each in a fresh process of a runtime: no hang, no wrong byte. */
import path from "node:path";
import { fileURLToPath } from "node:url";
import { integerOption, runCommand, writeJson } from "../../tools/command.mjs";
import { createProgress } from "../../tools/progress.mjs";
import { textTable } from "../../tools/table.mjs";
import { cache, installPinned } from "./pack.mjs";
import { runProcess } from "./process.mjs";

const HELP = `
Small jobs on workers, each in a fresh process of a runtime: how many end with the right bytes.

  --runs N          processes per case (default 50)
  --runtime FILE    the runtime; "node" is this one (default Bun, from npm into .cache/runtimes)
  --limit N         seconds after which a process counts as hanging (default 30)
  --json FILE       also writes the counts`;

const here = path.dirname(fileURLToPath(import.meta.url));
const JOB = path.join(here, "fresh-job.mjs");

/** The shape of the job that has hung and given wrong bytes, and one of a single row. */
const SHAPES = [
  { m: 130, n: 24, depth: 50 },
  { m: 1, n: 200, depth: 96 },
];
const CASES = ["shared", "own"].flatMap((memory) =>
  ["int8", "int4"].flatMap((format) => SHAPES.map((shape) => ({ memory, format, ...shape }))),
);

function runtimeOf(given) {
  if (given === "node") return process.execPath;
  if (given !== "") return path.resolve(given);
  const folder = path.join(cache, "runtimes");
  installPinned(here, folder);
  return path.join(folder, "node_modules", "@oven", "bun-linux-x64", "bin", "bun");
}

/** What became of one process: "right", "hung" and how far it came, or what it said instead. */
async function runOnce(runtime, { memory, format, m, n, depth }, tier, limit) {
  const args = [JOB, memory, format, ...[m, n, depth].map(String), tier];
  try {
    const { code, out, err } = await runProcess(runtime, args, { limit: limit * 1000 });
    if (code === 0) return out.trim();
    const lines = (err || out).trim().split("\n");
    return `ended with ${code}: ${lines.find((line) => /error/i.test(line)) ?? lines.at(-1)}`;
  } catch (fault) {
    if (!/expected to end within/.test(fault.message)) throw fault;
    return `hung: ${fault.message.trim().split("\n").at(-1)}`;
  }
}

const options = {
  runs: { type: "string", default: "50" },
  runtime: { type: "string", default: "" },
  limit: { type: "string", default: "30" },
};

await runCommand({ help: HELP, options }, async ({ runs, runtime: given, limit, json }) => {
  const count = integerOption("runs", runs, 1, 10_000);
  const seconds = integerOption("limit", limit, 1, 3600);
  const runtime = runtimeOf(given);
  const progress = createProgress("fresh processes", CASES.length * count);
  const rows = [];
  for (const each of CASES) {
    const { memory, format, m, n, depth } = each;
    const row = { job: `${format} ${m} × ${n} × ${depth}`, memory, right: 0, hung: [], others: [] };
    for (let run = 0; run < count; run++) {
      progress(rows.length * count + run, `${row.job}, ${memory} memory`);
      // a runtime on this machine may lack relaxed SIMD: half of the runs need nothing but SIMD
      const tier = run % 2 === 0 || runtime === process.execPath ? "simd" : "relaxed";
      const result = await runOnce(runtime, each, tier, seconds);
      if (result === "right") row.right++;
      else if (result.startsWith("hung")) row.hung.push(result);
      else row.others.push(result);
    }
    rows.push(row);
  }
  progress.clear();
  const lines = rows.map(({ job, memory, right, hung, others }) => [
    ...[job, memory, String(right), String(hung.length), String(others.length)],
  ]);
  console.log(textTable([["job", "memory", "right", "hung", "other"], ...lines], { left: [0, 1] }));
  for (const { job, memory, hung, others } of rows) {
    for (const words of new Set([...hung, ...others]))
      console.error(`${job}, ${memory} memory: ${words}`);
  }
  const sum = (of) => rows.reduce((total, row) => total + of(row), 0);
  const figures = {
    processes: CASES.length * count,
    right: sum((row) => row.right),
    hung: sum((row) => row.hung.length),
    others: sum((row) => row.others.length),
  };
  writeJson(json, { figures, rows });
  if (figures.right !== figures.processes) process.exitCode = 1;
});
