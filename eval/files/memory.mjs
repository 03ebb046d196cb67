/** What quantizing a model takes beside the model itself, measured in a process of its own. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const SELF = fileURLToPath(import.meta.url);
const MIB = 2 ** 20;

/**
 * Resolves to the most memory (resident, MiB) that reading a file and quantizing it to 4 bits adds
 * to a process that has quantized small models before: the library and its code are there.
 */
export function measureMemory(file) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [SELF, file]);
    let text = "";
    child.stdout.on("data", (piece) => {
      text += piece;
    });
    child.stderr.on("data", (piece) => {
      text += piece;
    });
    child.on("close", (code) => {
      if (code === 0) resolve(Number(text));
      else reject(new Error(`the process that measures memory ended with ${code}: ${text}`));
    });
  });
}

if (process.argv[1] === SELF) {
  const { createBytelane } = await import("../../dist/index.js");
  const { quantizeOnnx } = await import("../../dist/onnx.js");
  const { makeGraphs } = await import("./graphs.mjs");
  const instance = await createBytelane();
  for (const { file, outside } of Object.values(makeGraphs())) {
    if (!outside) await quantizeOnnx(instance, file, { minElements: 0 });
  }
  const base = process.memoryUsage.rss();
  await quantizeOnnx(instance, readFileSync(process.argv[2]));
  // the most of the whole life, in kB
  console.log((process.resourceUsage().maxRSS * 1024 - base) / MIB);
}
