/**
 * A safetensors file of 3 GiB, mostly a hole on the disk, quantized by the command; its memory is
 * measured.
 */
import { spawn } from "node:child_process";
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const COMMAND = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));
/** Rows and columns of each of three tensors: 1 GiB of f32. */
const SHAPE = [16384, 16384];
const TENSORS = 3;
const MIB = 2 ** 20;

function writeSparse(file) {
  const size = SHAPE[0] * SHAPE[1] * 4;
  const header = {};
  for (let i = 0; i < TENSORS; i++) {
    header[`layer.${i}`] = { dtype: "F32", shape: SHAPE, data_offsets: [i * size, (i + 1) * size] };
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeUInt32LE(text.length);
  const handle = openSync(file, "w");
  writeSync(handle, Buffer.concat([length, text]));
  ftruncateSync(handle, 8 + text.length + TENSORS * size);
  // a few values, so that not all scales are 1
  for (let i = 0; i < TENSORS; i++) {
    const values = Float32Array.of(1, -2, 0.5);
    writeSync(handle, Buffer.from(values.buffer), 0, 12, 8 + text.length + i * size);
  }
  closeSync(handle);
}

/** Runs the command, and resolves to the most memory that it held. */
function runCommand(args) {
  const report =
    "process.on('exit', () => process.stderr.write('rss ' + process.resourceUsage().maxRSS));";
  const preload = `data:text/javascript,${encodeURIComponent(report)}`;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--import", preload, COMMAND, ...args]);
    let text = "";
    child.stderr.on("data", (piece) => {
      text += piece;
    });
    child.stdout.resume();
    child.on("close", (code) => {
      const found = /rss (\d+)/.exec(text);
      if (code === 0 && found) resolve((Number(found[1]) * 1024) / MIB);
      else reject(new Error(`bytelane ${args.join(" ")} ended with ${code}: ${text}`));
    });
  });
}

export async function measureCheckpoint() {
  const folder = mkdtempSync(path.join(tmpdir(), "bytelane-checkpoint-"));
  try {
    const file = path.join(folder, "large.safetensors");
    writeSparse(file);
    const output = path.join(folder, "small.safetensors");
    const started = performance.now();
    const memory = await runCommand(["quantize", file, "-o", output, "--bits", "8"]);
    return {
      checkpointMiB: statSync(file).size / MIB,
      checkpointMemoryMiB: memory,
      checkpointSeconds: (performance.now() - started) / 1000,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
