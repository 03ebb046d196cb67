import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { alignTable } from "../harness.mjs";

const CHILD = fileURLToPath(new URL("first-result-child.mjs", import.meta.url));
const CONTENDERS = ["Bytelane", "onnxruntime-web", "LiteRT.js", "onnxruntime-node"];

async function runChild(contender) {
  const start = performance.now();
  const child = spawn(process.execPath, [...process.execArgv, CHILD, contender], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const output = await text(child.stdout);
  const process_ = performance.now() - start;
  return { ...JSON.parse(output), process: process_ };
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/**
 * Milliseconds from the import of each runtime to its first 64³ product, in fresh processes that
 * take turns, and the first call of a 512³ product beside a warm one.
 */
export async function measureFirstResults({ rounds }) {
  const samples = new Map(CONTENDERS.map((contender) => [contender, []]));
  for (let round = 0; round < rounds; round++) {
    for (const contender of CONTENDERS) samples.get(contender).push(await runChild(contender));
  }
  const results = CONTENDERS.map((contender) => {
    const each = samples.get(contender);
    const of = (key) => each.map((sample) => sample[key]);
    return {
      contender,
      import: Math.min(...of("import")),
      create: Math.min(...of("create")),
      run: Math.min(...of("run")),
      best: Math.min(...of("total")),
      median: median(of("total")),
      first512: Math.min(...of("first512")),
      warm512: Math.min(...of("warm512")),
    };
  });
  const head = ["ms in a fresh process", "import", "create", "run", "best", "median"];
  const lines = results.map((result) => [
    result.contender,
    ...["import", "create", "run", "best", "median", "first512", "warm512"].map((key) =>
      result[key].toFixed(1),
    ),
  ]);
  console.log(`${alignTable([[...head, "512³ first", "warm"], ...lines]).join("\n")}\n`);
  return results;
}
