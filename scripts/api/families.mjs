/** The sections of the reference, in reading order: a heading and the files of src/ that declare it. */
export const FAMILIES = [
  ["Instances", ["index", "load", "threads", "edge", "sources", "instance", "lane"]],
  ["Data", ["tensor", "dtype", "frame"]],
  ["Parameters", ["params", "profile"]],
  ["Quantize and dequantize", ["quantize", "dequantize", "dynamic", "half"]],
  ["Elementwise, and reductions", ["requantize", "clamp", "reduce"]],
  ["Products", ["gemm"]],
  ["Layers", ["linear", "activation"]],
  ["Four bits", ["int4/matrix", "int4/layer", "int4/moments", "int4/table"]],
  ["Search", ["select"]],
  ["Parameters as others choose them", ["calibration/profile-params"]],
  [
    "Observers",
    ["create", "observer", "histogram", "grid", "search", "entropy"].map(
      (name) => `calibration/${name}`,
    ),
  ],
  ["What a method would do", ["explain", "picture", "error"].map((name) => `calibration/${name}`)],
  ["Bits a layer", ["sensitivity", "front", "plan-picture"].map((name) => `calibration/${name}`)],
  ["Narrow integers", ["formats/bits"]],
  ["Formats of others", ["formats/blocked", "formats/ggml", "formats/codebook"]],
  ["Files", ["formats/store", "formats/safetensors"]],
  ["Pooled operations", ["pool/index"]],
  ["Workers", ["pool/worker"]],
  ["Conformance", ["conformance"]],
];
