/**
 * The sections of the reference, in reading order: a heading and the files of src/ that declare it.
 */
export const FAMILIES = [
  [
    "Instances",
    [
      "entries/index",
      "entries/load",
      "entries/module",
      "builds/sources",
      "builds/choose",
      "core/instance",
    ],
  ],
  ["Data", ["core/tensor", "core/dtype", "core/call"]],
  ["Parameters", ["params/params", "params/profile"]],
  [
    "Quantize and dequantize",
    [
      "elementwise/quantize",
      "elementwise/dequantize",
      "elementwise/dynamic-quantize",
      "elementwise/f16",
    ],
  ],
  [
    "Elementwise, and reductions",
    ["elementwise/requantize", "elementwise/clamp", "elementwise/min-max"],
  ],
  ["Products", ["gemm/matmul"]],
  ["Layers", ["linear/linear", "linear/activation"]],
  ["Four bits", ["int4/matrix", "int4/layer", "int4/moments", "int4/table"]],
  ["Search", ["search/vector-index"]],
  ["Parameters as others choose them", ["calibration/profile-params"]],
  [
    "Observers",
    ["create", "observer", "histogram", "grid", "methods", "entropy"].map(
      (name) => `calibration/${name}`,
    ),
  ],
  [
    "What a method would do",
    ["explain", "charts", "text", "error"].map((name) => `calibration/${name}`),
  ],
  ["Bits a layer", ["sensitivity", "plan", "plan-table"].map((name) => `calibration/${name}`)],
  ["Narrow integers", ["formats/bits"]],
  ["Formats of others", ["formats/blocked", "formats/codebook"]],
  ["Files", ["formats/layer-file", "formats/safetensors"]],
  ["GGUF files", ["gguf/file", "gguf/reader"]],
  ["Blocks of ggml", ["gguf/decode", "gguf/encode", "gguf/int4"]],
  ["Operations on workers", ["workers/index", "workers/worker"]],
  ["Conformance", ["entries/conformance"]],
];
