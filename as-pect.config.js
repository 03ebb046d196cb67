/** as-pect: the specs compile the kernels anew and see what only wasm sees. */
import v8 from "node:v8";

// Node 20 has relaxed SIMD behind a flag, which must be set before anything is compiled.
if (Number(process.versions.node.split(".")[0]) < 22) {
  v8.setFlagsFromString("--experimental-wasm-relaxed-simd");
}

export default {
  entries: ["test/assembly/**/*.spec.ts"],
  include: [],
  disclude: [/node_modules/],
  async instantiate(memory, createImports, instantiate, binary) {
    return instantiate(binary, createImports({ env: { memory } }));
  },
  outputBinary: false,
};
