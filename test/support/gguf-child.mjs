/**
 * Reads a large GGUF file in rows, and prints how much memory that took beside the process itself.
 */
import { open } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";

const entry = fileURLToPath(new URL("../../src/gguf/index.ts", import.meta.url));
const { outputFiles } = buildSync({
  entryPoints: [entry],
  bundle: true,
  format: "esm",
  write: false,
});
const { decodeGgml, openGguf } = await import(
  `data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`
);

const handle = await open(process.argv[2]);
const { size } = await handle.stat();
let bytes = 0;
const source = {
  size,
  read: async (offset, length) => {
    bytes += length;
    return (await handle.read(new Uint8Array(length), 0, length, offset)).buffer;
  },
};
const before = process.memoryUsage().rss;
let peak = 0;
const file = await openGguf(source);
let last;
for (const [name, { type, shape }] of file.tensors) {
  for (const start of [0, shape[0] - 64]) {
    const reals = decodeGgml(await file.read(name, { start, rows: 64 }), type);
    last = reals.subarray(-shape[1]);
    peak = Math.max(peak, process.memoryUsage().rss - before);
  }
}
await handle.close();
console.log(JSON.stringify({ tensors: file.tensors.size, last: [last[0], last[32]], bytes, peak }));
