import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import type { Kernels } from "../../src/core/abi.ts";

const open = (build: string): Kernels => {
  const file = new URL(`../../build/bytelane.${build}.wasm`, import.meta.url);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(file)));
  return exports as unknown as Kernels;
};

/** Ways to multiply, each with what packing adds for it. */
const DOTS = [
  [0, 0],
  [1, 64],
  [2, 0],
  [2, 64],
  [2, 128],
  [3, 127],
] as const;

it.each(["simd", "relaxed"])("unpack_rhs gives back what pack_rhs was given, build %s", (build) => {
  const kernels = open(build);
  kernels.memory.grow(4);
  const { buffer } = kernels.memory;
  const base = Math.ceil(kernels.heap_base() / 64) * 64;
  for (const [quads, offset] of DOTS) {
    for (const depth of [1, 2, 3, 4, 5, 15, 16, 17, 31, 32, 33, 50]) {
      for (const n of [1, 3, 4, 5, 7, 8, 9, 16, 19]) {
        for (const isOutIn of [true, false]) {
          const codes = Int8Array.from({ length: n * depth }, (_, i) => (i * 89 + depth) % 256);
          const columns = codes.map((_, i) => codes[i]);
          const src = base;
          const panels = src + 1024;
          const sums = panels + 4096;
          const dst = sums + 256 + 3;
          const bytes = new Int8Array(buffer, src, n * depth);
          // the source as [n, depth], or as [depth, n]
          for (let j = 0; j < n; j++) {
            for (let k = 0; k < depth; k++) {
              bytes[isOutIn ? j * depth + k : k * n + j] = columns[j * depth + k];
            }
          }
          const [strideK, strideN] = isOutIn ? [1, depth] : [n, 1];
          kernels.pack_rhs(src, strideK, strideN, depth, n, 0, quads, offset, panels, sums);
          new Uint8Array(buffer, dst - 3, n * depth + 6).fill(77);
          kernels.unpack_rhs(panels, depth, n, quads, offset, dst);
          const got = new Int8Array(buffer, dst - 3, n * depth + 6);
          const wanted = [77, 77, 77, ...columns, 77, 77, 77];
          expect([...got], `${quads} ${offset} ${depth} ${n} ${isOutIn}`).toEqual(wanted);
        }
      }
    }
  }
});
