import { runCommand } from "../tools/command.mjs";
import { openPlain } from "./contenders/plain.mjs";
import { WIDE_BYTES, WIDE_OP } from "./figures.mjs";
import { describeRun, EFFORT, runCases, writeRuns } from "./harness.mjs";
import { openRoof } from "./lab/roof/index.mjs";
import { machine, runtime } from "./machine.mjs";
import { runUnder } from "./runtimes.mjs";
import { measureStarts } from "./starts.mjs";

const OPTIONS = {
  filter: { type: "string", default: "" },
  roofs: { type: "boolean", default: false },
  calls: { type: "boolean", default: false },
  starts: { type: "boolean", default: false },
  quick: { type: "boolean", default: false },
  node: { type: "string" },
  revectorize: { type: "boolean", default: false },
};

const HELP = `
  --filter TEXT   only cases whose "operation shape" contains TEXT, such as "gemm_u8" or "512³";
                  several texts with commas between them
  --roofs         only what this machine can do at most
  --calls         only work of a few nanoseconds: what a call costs
  --starts        only the times from import to a first result
  --quick         short samples, and few cases unless --filter chooses: rough figures in seconds
  --node 22,24    under these versions of Node, installed from npm into .cache/ on first use
  --revectorize   with V8's --experimental-wasm-revectorize (an experiment of Node 24 and 26)
  --json FILE     also writes the figures as one JSON object`;

function printRoofs({ registers, memory }) {
  const gops = (value) => (value === null ? "–" : value.toFixed(1));
  console.log(
    `roofs, one core at ${registers.clock.toFixed(2)} GHz, GOPS: ` +
      `dot + add ${gops(registers.dot)}, two-step relaxed ${gops(registers.two_step)}, ` +
      `fused relaxed ${gops(registers.fused)}`,
  );
  for (const [size, rates] of Object.entries(memory)) {
    const each = Object.entries(rates).map(([name, rate]) => `${name} ${rate.toFixed(1)}`);
    console.log(`roofs, GB/s over ${size} bytes: ${each.join(", ")}`);
  }
  console.log("");
}

/**
 * The command line that both benches share. `cases({ filter, quick, calls })` gives the list, and
 * `open(plain)` resolves to `contend(item)`, which gives the contenders; starts.mjs says what
 * `starters` are.
 */
export function runBench(script, bench) {
  const help = `${bench.about}\n${HELP}`;
  return runCommand({ help, options: OPTIONS }, (values) => runValues(script, values, bench));
}

async function runValues(script, values, bench) {
  const { json, filter, quick, node, revectorize, roofs, calls, starts } = values;
  const isRevectorized = process.execArgv.some((flag) => flag.endsWith("revectorize"));
  if (node || (revectorize && !isRevectorized)) {
    const majors = node?.split(",") ?? [process.versions.node.split(".")[0]];
    const switches = ["quick", "roofs", "calls", "starts"].filter((name) => values[name]);
    const args = [...(filter ? ["--filter", filter] : []), ...switches.map((name) => `--${name}`)];
    const flags = revectorize ? ["--experimental-wasm-revectorize"] : [];
    const runs = await runUnder(majors, { script, args, flags });
    if (json) writeRuns(json, runs);
    return;
  }
  // The parts of a run: all of them, those that are asked for, or the cases of a filter.
  const isWhole = !roofs && !calls && !starts;
  const isAll = isWhole && filter === "";
  const selected = isWhole || calls ? bench.cases({ filter, quick, calls }) : [];
  if (selected.length === 0 && isWhole) {
    throw new RangeError(`"--filter" expected part of a case, got ${filter}`);
  }
  const { name: engine, version } = runtime();
  console.log(`${engine} ${version} on ${machine().cpu}`);
  const run = describeRun(bench.name);
  if (isWhole || calls || roofs) {
    const roof = await openRoof();
    run.roofs = measureRoofs(
      roof,
      quick,
      selected.some(({ op }) => op === WIDE_OP),
    );
    printRoofs(run.roofs);
    if (selected.length > 0) run.rows = await contendAll(selected, bench, { roof, quick });
    if (json) writeRuns(json, [run]);
  }
  if (isAll || starts) {
    run.starts = await measureStarts(bench.starters, { rounds: quick ? 3 : 7 });
    if (json) writeRuns(json, [run]);
  }
}

/** `isWide` adds the bytes of the wide shapes, whose roof is the stream that reads as many. */
function measureRoofs(roof, quick, isWide) {
  const memory = {};
  const sizes = quick ? [2 ** 18] : [2 ** 18, 2 ** 22, 2 ** 26];
  if (isWide) sizes.push(WIDE_BYTES);
  for (const bytes of sizes) memory[bytes] = roof.memory(bytes);
  return { registers: roof.registers(), memory };
}

async function contendAll(selected, { open }, { roof, quick }) {
  const plain = openPlain();
  try {
    const contend = await open(plain);
    const effort = quick ? EFFORT.quick : EFFORT.full;
    return await runCases(selected, { contend, plain, effort, roof });
  } finally {
    await plain.close();
  }
}
