/**
 * Activations: each one fixed sequence of f32 operations, so that every runtime gives the same
 * bytes.
 *
 * @category Networks
 */
import { nnKernels } from "../builds/nn-kernels.ts";
import { type Data, type InKind, inCall, operand, target } from "../core/call.ts";
import { checkOneOf, checkOptions } from "../core/check.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { isTensor } from "../core/tensor.ts";
import { type Activation as Bounds, checkBounds } from "../gemm/activation.ts";
import { checkReal } from "./reals.ts";

/** Activations of nn by name, in the order of their numbers (assembly/nn/activate.ts). */
export const KINDS = [
  "exp",
  "sigmoid",
  "tanh",
  "silu",
  "gelu",
  "gelu-tanh",
  "hard-sigmoid",
  "hard-swish",
  "leaky-relu",
] as const;
const BOUNDS = ["none", "relu", "relu6"] as const;

/** The name of a function of one real number. */
export type ActivationName = (typeof KINDS)[number] | (typeof BOUNDS)[number];

/**
 * The function that is applied to a real result:
 *
 * | name | value |
 * |---|---|
 * | "relu", "relu6" | max(x, 0), min(max(x, 0), 6) |
 * | "leaky-relu" | x, for x < 0 slope · x (default 0.01) |
 * | "sigmoid" | 1 / (1 + e^−x) |
 * | "hard-sigmoid" | min(max(alpha · x + beta, 0), 1) (1/6 and 0.5 as PyTorch; ONNX 0.2, 0.5) |
 * | "tanh", "exp" | tanh(x), e^x |
 * | "silu" | x · sigmoid(x) |
 * | "hard-swish" | x · hardSigmoid(x), plus an `offset` if one is given |
 * | "gelu" | x · Φ(x), Φ being the normal distribution, by erf |
 * | "gelu-tanh" | GELU, approximated by tanh |
 *
 * or two bounds, `low` and `high`.
 */
export type NnActivation =
  | ActivationName
  | Exclude<Bounds, string>
  | { readonly kind: "leaky-relu"; readonly slope?: number }
  | { readonly kind: "hard-sigmoid"; readonly alpha?: number; readonly beta?: number }
  | {
      readonly kind: "hard-swish";
      readonly alpha?: number;
      readonly beta?: number;
      readonly offset?: number;
    };

/** An activation as the kernels take it: bounds, or a function with three constants. */
export type CheckedActivation =
  | { readonly kind: "bounds"; readonly low: number; readonly high: number }
  | {
      readonly kind: number;
      readonly alpha: number;
      readonly beta: number;
      readonly offset: number;
    };

interface Named {
  readonly kind?: string;
  readonly slope?: number;
  readonly alpha?: number;
  readonly beta?: number;
  readonly offset?: number;
}

const NAMES = [...BOUNDS, ...KINDS] as const;

/** 1 / 6, rounded to f32. */
const SIXTH = 0.1666666716337204;

/** The constants of the functions that have some, with their defaults. x + −0 is x for every x. */
const CONSTANTS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  "leaky-relu": { slope: 0.01 },
  "hard-sigmoid": { alpha: SIXTH, beta: 0.5 },
  "hard-swish": { alpha: SIXTH, beta: 0.5, offset: -0 },
};

/** @internal */
export function checkNnActivation(
  argument: string,
  activation: NnActivation = "none",
): CheckedActivation {
  const isObject = typeof activation === "object" && activation !== null;
  if (isObject && !("kind" in activation)) {
    return { kind: "bounds", ...checkBounds(activation, argument) };
  }
  const named: Named = isObject ? (activation as Named) : { kind: activation as string };
  const name = checkOneOf(isObject ? `${argument}.kind` : argument, named.kind, NAMES);
  const defaults = CONSTANTS[name] ?? {};
  checkOptions(argument, named, ["kind", ...Object.keys(defaults)]);
  if (name === "none" || name === "relu" || name === "relu6") {
    return { kind: "bounds", ...checkBounds(name) };
  }
  const constant = (key: "slope" | "alpha" | "beta" | "offset"): number => {
    const usual = defaults[key] ?? 0;
    return checkReal(`${argument}.${key}`, named[key] ?? usual);
  };
  return {
    kind: KINDS.indexOf(name),
    alpha: constant(name === "leaky-relu" ? "slope" : "alpha"),
    beta: constant("beta"),
    offset: constant("offset"),
  };
}

/** @internal Runs an activation over n floats; dst may be src. */
export function runActivation(
  instance: Bytelane,
  activation: CheckedActivation,
  src: number,
  dst: number,
  n: number,
): void {
  if (activation.kind === "bounds") {
    const { low, high } = activation;
    instance.kernels.clamp_f32(src, dst, n, low, high);
  } else {
    const { kind, alpha, beta, offset } = activation;
    nnKernels(instance).activate_f32(kind, src, dst, n, alpha, beta, offset);
  }
}

/**
 * y = activation(x), element by element; `out` may be x. exp, sigmoid and tanh are within 3 ulp of
 * the exact value for every f32; SiLU and GELU within 2^-22 of the larger of |x| and 1, relative.
 * NaN stays NaN.
 *
 *     activate(instance, x, "hard-swish", { out: x });
 *
 * Errors: an unknown name, constants that are not finite or that the activation does not have.
 *
 * @example
 * ```ts
 * activate(instance, Float32Array.of(-1, 0, 1), "gelu");
 * ```
 */
export function activate<X extends Data<"f32">>(
  instance: Bytelane,
  x: X,
  activation: NnActivation,
  options: { readonly out?: Data<"f32"> } = {},
): InKind<X, "f32"> {
  checkInstance(instance);
  checkOptions("options", options, ["out"]);
  const source = operand(instance, "x", x, ["f32"]);
  const checked = checkNnActivation("activation", activation);
  const shape = source.shape ?? [source.length];
  const result = target(instance, options.out, "f32", shape, isTensor(x));
  return inCall(instance, result, (call) => {
    const src = call.input(source, true);
    const { address, value } = call.output(result);
    runActivation(instance, checked, src, address, source.length);
    return value as InKind<X, "f32">;
  });
}
