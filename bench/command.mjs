import { parseArgs } from "node:util";
import { openPlain } from "./contenders/plain.mjs";
import { EFFORT, runCases, writeRuns } from "./harness.mjs";
import { machine, runtime } from "./machine.mjs";
import { openRoof } from "./roof/index.mjs";
import { runUnder } from "./runtimes.mjs";

const OPTIONS = {
  json: { type: "string" },
  filter: { type: "string", default: "" },
  quick: { type: "boolean", default: false },
  node: { type: "string" },
  revectorize: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
};

const HELP = `
  --filter TEXT   only cases whose "operation shape" contains TEXT, such as "gemm_u8" or "512³"
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
 * The command line that both benches share. `cases({ filter, quick })` gives the list,
 * `open(plain)` resolves to `contend(item)`, which gives the contenders, and `after(run)` may add
 * to a run.
 */
export async function runCommand(script, { name, about, cases, open, after }) {
  try {
    const { values } = parseArgs({ options: OPTIONS });
    if (values.help) console.log(`${about}\n${HELP}`);
    else await runValues(script, values, { name, cases, open, after });
  } catch (fault) {
    console.error(fault.message);
    process.exitCode = 1;
  }
}

async function runValues(script, values, { name, cases, open, after }) {
  const { json, filter, quick, node, revectorize } = values;
  const selected = cases({ filter, quick });
  if (selected.length === 0) {
    throw new RangeError(`"--filter" expected part of a case, got ${filter}`);
  }
  if (node || (revectorize && !process.execArgv.some((flag) => flag.endsWith("revectorize")))) {
    const majors = node?.split(",") ?? [process.versions.node.split(".")[0]];
    const args = [...(filter ? ["--filter", filter] : []), ...(quick ? ["--quick"] : [])];
    const flags = revectorize ? ["--experimental-wasm-revectorize"] : [];
    const runs = await runUnder(majors, { script, args, flags });
    if (json) await writeRuns(json, runs);
    return;
  }
  const roof = await openRoof();
  const memory = {};
  const sizes = quick ? [2 ** 18] : [2 ** 18, 2 ** 22, 2 ** 26];
  for (const bytes of sizes) memory[bytes] = roof.memory(bytes);
  const roofs = { registers: roof.registers(), memory };
  const { name: engine, version } = runtime();
  console.log(`${engine} ${version} on ${machine().cpu}`);
  printRoofs(roofs);
  const effort = quick ? EFFORT.quick : EFFORT.full;
  const plain = openPlain();
  try {
    const contend = await open(plain);
    const how = { command: name, contend, plain, effort, roof, roofs };
    const run = await runCases(selected, how);
    if (json) await writeRuns(json, [run]);
    await after?.(run, { quick });
    if (json && after) await writeRuns(json, [run]);
  } finally {
    await plain.close();
  }
}
