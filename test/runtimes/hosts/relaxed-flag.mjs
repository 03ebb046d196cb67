// Node 20 has relaxed SIMD behind a V8 flag that it takes neither from NODE_OPTIONS nor for a
// worker, so it is set here, before the first module is compiled.

import v8 from "node:v8";

v8.setFlagsFromString("--experimental-wasm-relaxed-simd");
await import("./console.mjs");
