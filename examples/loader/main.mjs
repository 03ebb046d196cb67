/*
 * The published module without the wrapper, through the loader that AssemblyScript users know. The
 * kernels take addresses: whoever calls them so places the data and answers for every argument.
 *
 *   node examples/loader/main.mjs
 */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { instantiate } from "@assemblyscript/loader";

const file = createRequire(import.meta.url).resolve("bytelane/wasm/bytelane.simd.wasm");
const { exports } = await instantiate(await readFile(file), {});

const values = Float32Array.of(-1, -0.25, 0, 0.25, 0.5, 1);
const { buffer } = exports.memory;
// everything below heap_base belongs to the kernels
const src = (exports.heap_base() + 15) & ~15;
const scale = src + values.byteLength;
const zeroPoint = scale + 4;
const dst = zeroPoint + 4;
new Float32Array(buffer, src, values.length).set(values);
new Float32Array(buffer, scale, 1)[0] = 1 / 127;
new Int32Array(buffer, zeroPoint, 1)[0] = 0;

// one channel of all values, clamped to [-128, 127]
exports.quantize_f32(src, dst, 1, 1, values.length, scale, zeroPoint, -128, 127);
console.log(new Int8Array(buffer, dst, values.length).join(" "));
