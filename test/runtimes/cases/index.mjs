// The registry: a group a kernel family. A group yields [label, ...typed arrays].

import { calibration } from "./calibration.mjs";
import { choices } from "./choices.mjs";
import { clamp } from "./clamp.mjs";
import { dequantize } from "./dequantize.mjs";
import { dynamic } from "./dynamic.mjs";
import { formats } from "./formats.mjs";
import { gemm } from "./gemm.mjs";
import { gguf } from "./gguf.mjs";
import { int4 } from "./int4.mjs";
import { linear } from "./linear.mjs";
import { memory } from "./memory.mjs";
import { params } from "./params.mjs";
import { profiles } from "./profiles.mjs";
import { quantize } from "./quantize.mjs";
import { reduce } from "./reduce.mjs";
import { requantize } from "./requantize.mjs";
import { select } from "./select.mjs";

export const groups = {
  params,
  quantize,
  dynamic,
  dequantize,
  clamp,
  reduce,
  requantize,
  gemm,
  linear,
  select,
  calibration,
  int4,
  formats,
  gguf,
  profiles,
  memory,
  choices,
};
