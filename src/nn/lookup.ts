/**
 * Functions of 8-bit integers as tables of 256 entries.
 *
 * @category Networks
 */
import { nnKernels } from "../builds/nn-kernels.ts";
import { type Data, type InKind, inCall, operand, target } from "../core/call.ts";
import { checkOptions, typeFault } from "../core/check.ts";
import { limitsOf, type OwnElements, type QuantizedDType } from "../core/dtype.ts";
import { checkHandle, Handle, instanceOf } from "../core/handle.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { roundHalfEven } from "../core/round.ts";
import { isTensor } from "../core/tensor.ts";
import { checkStatic, type StaticParams } from "../linear/layer-options.ts";
import { checkNnActivation, type NnActivation, runActivation } from "./activation.ts";

const ENTRIES = 256;

/**
 * A function of 8-bit integers in an instance's memory. Made by `createLookup`, run by `lookup`.
 */
export class Lookup<D extends QuantizedDType = QuantizedDType> extends Handle {
  /** Parameters of the integers that the table takes. */
  readonly input: Required<StaticParams>;
  /** Parameters of the integers that the table gives. */
  readonly output: Required<StaticParams> & { readonly dtype: D };
  /** @internal */ readonly address: number;

  /** @internal */
  constructor(
    instance: Bytelane,
    address: number,
    input: Required<StaticParams>,
    output: Required<StaticParams> & { readonly dtype: D },
  ) {
    super(instance, [[address, ENTRIES]]);
    this.address = address;
    this.input = input;
    this.output = output;
  }

  /**
   * The 256 results in a new array: entry q & 255 is the result for the integer q. For i8 the
   * entries of −128 … −1 therefore follow those of 0 … 127.
   */
  toArray(): OwnElements[D] {
    checkHandle("table", this, this.instance);
    const { address, output } = this;
    return this.instance.heap.view(output.dtype, address, ENTRIES).slice() as OwnElements[D];
  }

  /** @internal */
  __describe(): string {
    return `lookup ${this.input.dtype} → ${this.output.dtype}`;
  }
}

/** Every real that the input's integers stand for, in the order of their bytes as u8. */
function realsOf({ dtype, scale, zeroPoint }: Required<StaticParams>): Float32Array {
  return Float32Array.from({ length: ENTRIES }, (_, byte) => {
    const q = dtype === "i8" && byte > 127 ? byte - ENTRIES : byte;
    return (q - zeroPoint) * scale;
  });
}

/**
 * A function of real numbers as a table over quantized ones: for each of the 256 integers q of the
 * input, quantize(f(dequantize(q))). An activation by name is computed by the kernels, the same on
 * every runtime; your own function is called 256 times, and a NaN that it returns counts as 0.
 *
 * Errors: parameters out of range, neither a function nor an activation.
 *
 * @example
 * ```ts
 * const swish = createLookup(instance, "hard-swish", { scale: 0.05 }, { scale: 0.02 });
 * const y = lookup(swish, x);
 * ```
 */
export function createLookup<D extends QuantizedDType = "i8">(
  instance: Bytelane,
  f: NnActivation | ((x: number) => number),
  input: StaticParams,
  output: StaticParams & { readonly dtype?: D },
): Lookup<D> {
  checkInstance(instance);
  const from = checkStatic("input", input);
  const to = checkStatic("output", output) as Required<StaticParams> & { readonly dtype: D };
  const reals = realsOf(from);
  const activation = typeof f === "function" ? undefined : checkNnActivation("f", f);
  return inCall(instance, (call) => {
    if (activation) {
      const address = call.copyIn("f32", reals);
      runActivation(instance, activation, address, address, ENTRIES);
      reals.set(instance.heap.view("f32", address, ENTRIES));
    } else {
      for (let i = 0; i < ENTRIES; i++) reals[i] = callOf(f as (x: number) => number, reals[i]);
    }
    const [low, high] = limitsOf(to.dtype);
    const address = instance.arena.allocate(ENTRIES);
    const table = instance.heap.view("u8", address, ENTRIES);
    for (let i = 0; i < ENTRIES; i++) {
      const steps = roundHalfEven(Math.fround((reals[i] || 0) / to.scale)) + to.zeroPoint;
      table[i] = Math.min(Math.max(steps, low), high);
    }
    return new Lookup(instance, address, from, to);
  });
}

function callOf(f: (x: number) => number, x: number): number {
  const y = f(x);
  if (typeof y !== "number") throw typeFault("f", `a number for ${x}`, y);
  return y;
}

/**
 * Looks up every element of x; `out` may be x if the types are equal. Errors: x of another type
 * than the table's input.
 *
 * @example
 * ```ts
 * const swish = createLookup(instance, "hard-swish", { scale: 0.05 }, { scale: 0.02 });
 * const y = lookup(swish, x); // i8 to i8
 * ```
 */
export function lookup<X extends Data<QuantizedDType>, D extends QuantizedDType>(
  table: Lookup<D>,
  x: X,
  options: { readonly out?: Data<D> } = {},
): InKind<X, D> {
  if (!(table instanceof Lookup)) throw typeFault("table", "a table of createLookup", table);
  const instance = instanceOf("table", table);
  checkOptions("options", options, ["out"]);
  const source = operand(instance, "x", x, [table.input.dtype]);
  const shape = source.shape ?? [source.length];
  const result = target(instance, options.out, table.output.dtype, shape, isTensor(x));
  return inCall(instance, result, (call) => {
    const src = call.input(source, true);
    const { address, value } = call.output(result);
    nnKernels(instance).lookup_8(src, address, source.length, table.address);
    return value as InKind<X, D>;
  });
}
