/**
 * The wasm modules beside the main one: kernels that not every program needs, on the memory of the
 * instance. Each is compiled from `entry` with asconfig.modules.json, one file per build:
 * bytelane.<name>.simd.wasm and bytelane.<name>.relaxed.wasm. Its constants begin at `base` and end
 * before the next base, the last ones before `heap_base` (assembly/index.ts); those of the main
 * module end before the first. `pieces` names the constant that holds both builds as text, in
 * src/builds/<name>-binaries.ts.
 */
export const MODULES = [
  {
    name: "profiles",
    entry: "assembly/profiles/index.ts",
    base: 3072,
    pieces: "PROFILES_PIECES",
  },
  { name: "nn", entry: "assembly/nn/index.ts", base: 4096, pieces: "NN_PIECES" },
  { name: "search", entry: "assembly/search/index.ts", base: 5120, pieces: "SEARCH_PIECES" },
  {
    name: "superblock",
    entry: "assembly/superblock/index.ts",
    base: 6144,
    pieces: "SUPERBLOCK_PIECES",
  },
  {
    name: "calibration",
    entry: "assembly/calibration/index.ts",
    base: 7168,
    pieces: "CALIBRATION_PIECES",
  },
];
