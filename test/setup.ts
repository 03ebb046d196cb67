import v8 from "node:v8";
import fc from "fast-check";

// Node 20 has relaxed SIMD behind a flag, which must be set before anything is compiled.
if (Number(process.versions.node.split(".")[0]) < 22) {
  v8.setFlagsFromString("--experimental-wasm-relaxed-simd");
}

fc.configureGlobal({ seed: Number(process.env.SEED), numRuns: 60 });
