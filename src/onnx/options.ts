/**
 * The options of quantizeOnnx, and their checks.
 *
 * @category ONNX models
 */
import type { ObserverOptions } from "../calibration/create.ts";
import {
  checkInteger,
  checkNumber,
  checkObject,
  checkOneOf,
  checkOptions,
  rangeFault,
  typeFault,
} from "../core/check.ts";
import type { Signal } from "../core/signal.ts";
import { type Calibration, checkCalibration } from "./calibrate.ts";

/** Bits of a tensor: 32 leaves it as it is. */
export type WeightBits = 4 | 8 | 16 | 32;

/** How a model is quantized. */
export interface OnnxOptions {
  /**
   * "weights": activations stay f32. "dynamic": 8-bit products, whose activations are quantized at
   * run time. "static": activations are quantized with ranges from calibration. Default "weights".
   */
  readonly mode?: "weights" | "dynamic" | "static";
  /** Bits of weights in the mode "weights"; 16 is f16. Default 4. */
  readonly bits?: 4 | 8 | 16;
  /** Weights that share a scale. Default 32 for 4 bits, 128 for 8. */
  readonly blockSize?: 16 | 32 | 64 | 128 | 256;
  /** "asymmetric" stores a zero point per block. Default "symmetric". */
  readonly scheme?: "symmetric" | "asymmetric";
  /**
   * "nearest" is ONNX Runtime's rule, to the bit. "search" looks for the scales with the least
   * squared error. "gptq" feeds rounding errors back and needs `calibration`. Default "search".
   */
  readonly method?: "nearest" | "search" | "gptq";
  /**
   * How 1 × 1 convolutions are stored: "dequantize" keeps Conv and dequantizes its weights before
   * it, "matmul" runs MatMulNBits between two transpositions. Default "dequantize".
   */
  readonly pointwise?: "dequantize" | "matmul";
  /**
   * MatMulNBits' accuracy_level: 4 lets a runtime quantize activations to 8 bits. Default: none.
   */
  readonly accuracyLevel?: 0 | 1 | 2 | 3 | 4;
  /**
   * How activations are calibrated in the mode "static": any method of `createObserver`. Default
   * the percentile 99.99.
   */
  readonly activations?: ObserverOptions;
  /**
   * Bits of weights in the modes "dynamic" and "static": 7 keeps sums exact on processors that
   * saturate pairs of products in 16 bits (x86 without VNNI, under onnxruntime-node). Default 8.
   */
  readonly weightBits?: 7 | 8;
  /**
   * Depthwise convolutions in the mode "static": their few weights lose the most. Default "float".
   */
  readonly depthwise?: "float" | "quantize";
  /**
   * In the mode "static": subtracts the mean error of quantization from a layer's bias. Default
   * true.
   */
  readonly biasCorrection?: boolean;
  /**
   * In the mode "static", the share of the measured loss that may remain: the layers that lose the
   * most at the model's outputs stay in float until the others are at most this share. 1 measures
   * nothing. Default 0.2.
   */
  readonly sensitive?: number;
  /**
   * Chooses bits per tensor in the mode "weights", by the loss at the model's outputs on the
   * calibration's feeds. The goal is a limit on the bytes of weights, on bits per weight, or on the
   * loss (noise over signal, added over tensors).
   */
  readonly plan?:
    | { readonly budgetBytes: number }
    | { readonly bitsPerWeight: number }
    | { readonly maxLoss: number };
  /** Tensors with fewer elements stay as they are. Default 1024. */
  readonly minElements?: number;
  /** Bits of single tensors by name. They override all other options. */
  readonly tensors?: Readonly<Record<string, { readonly bits: WeightBits }>>;
  /** A runtime and inputs, for options that need activations. */
  readonly calibration?: Calibration;
  /**
   * The name of a file for large tensors, relative to the model. Without it the result is one file,
   * of at most 2 GiB.
   */
  readonly externalData?: string;
  /** Called after each tensor. */
  readonly onProgress?: (progress: OnnxProgress) => void;
  /** Ends the work with the signal's reason. */
  readonly signal?: Signal;
}

/** How far the work is. */
export interface OnnxProgress {
  /** The current step, such as "calibrate" or "quantize". */
  readonly stage: string;
  readonly done: number;
  readonly total: number;
}

/** @internal The options with their defaults. */
export interface Checked extends OnnxOptions {
  readonly mode: "weights" | "dynamic" | "static";
  readonly bits: 4 | 8 | 16;
  readonly activations: ObserverOptions;
  readonly weightBits: 7 | 8;
  readonly depthwise: "float" | "quantize";
  readonly biasCorrection: boolean;
  readonly sensitive: number;
  readonly scheme: "symmetric" | "asymmetric";
  readonly method: "nearest" | "search" | "gptq";
  readonly pointwise: "dequantize" | "matmul";
  readonly minElements: number;
  readonly bitsOf: (name: string) => WeightBits | undefined;
}

const KEYS: readonly (keyof OnnxOptions)[] = [
  ...(["mode", "bits", "blockSize", "scheme", "method", "pointwise", "accuracyLevel"] as const),
  ...(["activations", "weightBits", "depthwise", "biasCorrection", "sensitive", "plan"] as const),
  ...(["minElements", "tensors", "calibration", "externalData", "onProgress", "signal"] as const),
];

/** @internal */
export function checkOnnxOptions(options: OnnxOptions): Checked {
  checkOptions("options", options, KEYS);
  const mode = checkOneOf("options.mode", options.mode ?? "weights", [
    "weights",
    "dynamic",
    "static",
  ] as const);
  const bits = checkOneOf("options.bits", options.bits ?? (mode === "weights" ? 4 : 8), [
    4, 8, 16,
  ] as const);
  if (mode !== "weights" && bits !== 8) {
    throw rangeFault("options.bits", `8 in the mode "${mode}"`, bits);
  }
  const method = checkOneOf("options.method", options.method ?? "search", [
    "nearest",
    "search",
    "gptq",
  ] as const);
  const { calibration, externalData } = options;
  if (calibration !== undefined) checkCalibration(calibration);
  else if (mode === "static" || method === "gptq" || options.plan !== undefined) {
    throw typeFault("options.calibration", "a runner and feeds", calibration);
  }
  if (externalData !== undefined && !/^[^/\\:]+$/.test(externalData)) {
    throw rangeFault("options.externalData", "the name of a file", externalData);
  }
  const tensors = new Map(Object.entries(options.tensors ?? {}));
  for (const [name, each] of tensors) {
    checkOneOf(`options.tensors[${JSON.stringify(name)}].bits`, each?.bits, [4, 8, 16, 32]);
  }
  if (options.blockSize !== undefined) {
    checkOneOf("options.blockSize", options.blockSize, [16, 32, 64, 128, 256]);
  }
  if (options.plan !== undefined) checkPlan(options.plan);
  return {
    ...options,
    ...{ mode, bits, method },
    ...checkStatic(options),
    scheme: checkOneOf("options.scheme", options.scheme ?? "symmetric", [
      "symmetric",
      "asymmetric",
    ] as const),
    pointwise: checkOneOf("options.pointwise", options.pointwise ?? "dequantize", [
      "dequantize",
      "matmul",
    ] as const),
    minElements: checkInteger("options.minElements", options.minElements ?? 1024, 0, 2 ** 53 - 1),
    bitsOf: (name) => tensors.get(name)?.bits,
  };
}

function checkStatic(options: OnnxOptions) {
  const sensitive = checkNumber("options.sensitive", options.sensitive ?? 0.2);
  if (!(sensitive >= 0 && sensitive <= 1)) {
    throw rangeFault("options.sensitive", "a share in [0, 1]", sensitive);
  }
  return {
    activations: options.activations ?? ({ method: "percentile", percent: 99.99 } as const),
    weightBits: checkOneOf("options.weightBits", options.weightBits ?? 8, [7, 8] as const),
    depthwise: checkOneOf("options.depthwise", options.depthwise ?? "float", [
      "float",
      "quantize",
    ] as const),
    biasCorrection: options.biasCorrection ?? true,
    sensitive,
  };
}

function checkPlan(plan: NonNullable<OnnxOptions["plan"]>): void {
  checkObject("options.plan", plan);
  const [[key, value], ...others] = Object.entries(plan);
  checkOneOf("options.plan", key, ["budgetBytes", "bitsPerWeight", "maxLoss"]);
  if (others.length > 0) throw rangeFault("options.plan", "one goal", Object.keys(plan));
  checkNumber(`options.plan.${key}`, value);
}
