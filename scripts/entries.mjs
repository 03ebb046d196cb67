/**
 * The JavaScript files of dist/: `file` is bundled from `source`, a file of src/. `name` is what
 * users import; files without one stand for "bytelane" on a platform (package.json, "exports").
 * `wasm` rewrites imports of .wasm files for the platform. test/package.test.ts compares the names
 * with package.json and jsr.json.
 */
export const ENTRIES = [
  { file: "index", name: "bytelane", source: "entries/index.ts" },
  { file: "workerd", source: "entries/workerd.ts" },
  // Vercel, Next.js and other bundlers of theirs
  { file: "edge-light", source: "entries/edge.ts", wasm: addModuleQuery },
  { file: "load", name: "bytelane/load", source: "entries/load.ts" },
  { file: "module", name: "bytelane/module", source: "entries/module.ts", wasm: importSource },
  { file: "workers", name: "bytelane/workers", source: "entries/workers.ts" },
  { file: "calibration", name: "bytelane/calibration", source: "calibration/index.ts" },
  { file: "formats", name: "bytelane/formats", source: "formats/index.ts" },
  { file: "nn", name: "bytelane/nn", source: "entries/nn.ts" },
  { file: "search", name: "bytelane/search", source: "entries/search.ts" },
  { file: "gguf", name: "bytelane/gguf", source: "gguf/index.ts" },
  { file: "onnx", name: "bytelane/onnx", source: "onnx/index.ts" },
];

/**
 * The golden vectors are written into this entry: it is built apart, beside the others
 * (scripts/golden/entry.mjs).
 */
export const CONFORMANCE = { name: "bytelane/conformance", source: "entries/conformance.ts" };

function addModuleQuery(text) {
  return text.replaceAll('.wasm"', '.wasm?module"');
}

/** Source-phase imports, which esbuild does not write. */
function importSource(text) {
  return text.replaceAll(/import (\w+) from "(.*?\.wasm)"/g, 'import source $1 from "$2"');
}
