/**
 * Recurrent cells: LSTM and GRU, weights in 8 bits, state in f32.
 *
 * @category Networks
 */
import { nnKernels } from "../builds/nn-kernels.ts";
import {
  type Call,
  type Data,
  elementsOf,
  type InKind,
  inCall,
  type Operand,
  operand,
  target,
} from "../core/call.ts";
import { checkInteger, checkOptions, rangeFault, typeFault } from "../core/check.ts";
import type { OwnElements } from "../core/dtype.ts";
import { checkHandle, Handle, instanceOf } from "../core/handle.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { isTensor, type Tensor } from "../core/tensor.ts";
import { panelsOf, writeCall } from "../gemm/product.ts";
import { createInt8 } from "../linear/create-int8.ts";
import type { Linear } from "../linear/int8.ts";
import { shapeOf } from "./rows.ts";

/** Weights of a recurrent cell, in the layout of PyTorch and ONNX: rows of gates. */
export interface RecurrentOptions {
  /** [gates · hidden, inFeatures]. */
  readonly inputWeights: Float32Array;
  /** [gates · hidden, hidden]. */
  readonly stateWeights: Float32Array;
  /** Elements of the state. */
  readonly hidden: number;
  /** [gates · hidden], added to the input's products. */
  readonly inputBias?: Float32Array;
  /** [gates · hidden], added to the state's products. */
  readonly stateBias?: Float32Array;
  /**
   * Order of the gates in the weights. LSTM: "ifgo" as PyTorch and TensorFlow have them, "iofg" as
   * ONNX. GRU: "rzn" as PyTorch, "zrn" as ONNX and TensorFlow. Default: PyTorch's.
   */
  readonly gates?: "ifgo" | "iofg" | "rzn" | "zrn";
}

const OPTIONS = ["inputWeights", "stateWeights", "hidden", "inputBias", "stateBias", "gates"];

/** A recurrent cell in an instance's memory. Made by `createLstm` or `createGru`. */
export class Recurrent extends Handle {
  readonly kind: "lstm" | "gru";
  readonly inFeatures: number;
  /** Elements of the state, and of a row of the result. */
  readonly hidden: number;
  /** Bytes of packed weights, scales and biases. */
  readonly byteLength: number;
  /** @internal */ readonly input: Linear;
  /** @internal */ readonly state: Linear;

  /** @internal */
  constructor(instance: Bytelane, kind: "lstm" | "gru", input: Linear, state: Linear) {
    super(instance, []);
    this.kind = kind;
    this.inFeatures = input.inFeatures;
    this.hidden = state.inFeatures;
    this.byteLength = input.byteLength + state.byteLength;
    this.input = input;
    this.state = state;
  }

  override dispose(): void {
    this.input.dispose();
    this.state.dispose();
    super.dispose();
  }

  /**
   * The weights as f32 [gates · hidden, inFeatures + hidden], in a new array: in each row the
   * weights of the input, then those of the state. The gates are in the order "ifgo", of a GRU
   * "rzn".
   */
  toArray(): OwnElements["f32"] {
    checkHandle("layer", this, this.instance);
    const { inFeatures, hidden } = this;
    const [input, state] = [this.input.toArray(), this.state.toArray()];
    const weights = new Float32Array(input.length + state.length);
    for (let row = 0, at = 0; at < weights.length; row++, at += inFeatures + hidden) {
      weights.set(input.subarray(row * inFeatures, (row + 1) * inFeatures), at);
      weights.set(state.subarray(row * hidden, (row + 1) * hidden), at + inFeatures);
    }
    return weights;
  }

  /** @internal */
  __describe(): string {
    return `${this.kind.toUpperCase()} ${this.inFeatures} → ${this.hidden}`;
  }
}

/** Rows of gates in the kernels' order. */
function ordered(values: Float32Array, from: string, to: string): Float32Array {
  const size = values.length / from.length;
  const result = new Float32Array(values.length);
  [...to].forEach((gate, i) => {
    const at = from.indexOf(gate) * size;
    result.set(values.subarray(at, at + size), i * size);
  });
  return result;
}

function create(
  instance: Bytelane,
  kind: "lstm" | "gru",
  options: RecurrentOptions,
  orders: readonly [own: string, other: string],
): Recurrent {
  checkInstance(instance);
  checkOptions("options", options, OPTIONS);
  const hidden = checkInteger("options.hidden", options.hidden, 1, 2 ** 24);
  const [own] = orders;
  const gates = options.gates ?? own;
  if (!orders.includes(gates)) {
    throw rangeFault("options.gates", `"${orders[0]}" or "${orders[1]}"`, gates);
  }
  const rows = own.length * hidden;
  const read = (
    name: "inputWeights" | "stateWeights" | "inputBias" | "stateBias",
    count?: number,
  ) => {
    const source = operand(instance, `options.${name}`, options[name], ["f32"], count);
    return ordered(elementsOf(instance, source), gates, own);
  };
  const inputWeights = read("inputWeights");
  const columns = inputWeights.length / rows;
  if (!Number.isInteger(columns) || columns === 0) {
    const expected = `rows of ${rows} weights`;
    throw rangeFault("options.inputWeights", expected, options.inputWeights);
  }
  const stateWeights = read("stateWeights", rows * hidden);
  const layerOf = (
    weights: Float32Array,
    shape: [number, number],
    name: "inputBias" | "stateBias",
  ) =>
    createInt8(instance, {
      ...{ weights, shape, orientation: "out-in" as const },
      ...(options[name] !== undefined && { bias: read(name, rows) }),
    });
  const input = layerOf(inputWeights, [rows, columns], "inputBias");
  try {
    return new Recurrent(instance, kind, input, layerOf(stateWeights, [rows, hidden], "stateBias"));
  } catch (fault) {
    input.dispose();
    throw fault;
  }
}

/**
 * Prepares an LSTM: i, f, o = σ(W x + U h), g = tanh(W x + U h), c' = f · c + i · g,
 * h' = o · tanh(c'). Run by `recurrent`.
 * Errors: weights that do not fit, an order of gates of the other cell.
 *
 * @example
 * ```ts
 * const cell = createLstm(instance, { hidden: 32, inputWeights, stateWeights });
 * const { values } = recurrent(cell, x, { shape: [steps, 16] });
 * ```
 */
export function createLstm(instance: Bytelane, options: RecurrentOptions): Recurrent {
  return create(instance, "lstm", options, ["ifgo", "iofg"]);
}

/**
 * Prepares a GRU whose reset gate multiplies the state's product, bias included (PyTorch; ONNX with
 * linear_before_reset = 1): n = tanh(W x + r · U h), h' = n + z · (h − n). Run by `recurrent`.
 * Errors: as `createLstm`.
 *
 * @example
 * ```ts
 * const cell = createGru(instance, { hidden: 32, inputWeights, stateWeights });
 * const { values } = recurrent(cell, x, { shape: [steps, 16] });
 * ```
 */
export function createGru(instance: Bytelane, options: RecurrentOptions): Recurrent {
  return create(instance, "gru", options, ["rzn", "zrn"]);
}

/** The state that a sequence begins with, and how x lies. */
export interface SequenceOptions {
  /** [steps, inFeatures], for a typed array of several steps. Default: one step. */
  readonly shape?: readonly number[];
  /** Default zeros. */
  readonly state?: Data<"f32">;
  /** Of an LSTM: its cells. Default zeros. */
  readonly cell?: Data<"f32">;
  /**
   * True if `state`, and for an LSTM `cell`, are tensors that receive the last values. A sequence
   * that is continued call by call then copies nothing. Default false.
   */
  readonly inPlace?: boolean;
  readonly out?: Data<"f32">;
}

/** The states of all steps, and the values that the next sequence begins with. */
export interface SequenceResult<V, S = Float32Array> {
  /** [steps, hidden]: the state after each step. */
  readonly values: V;
  /** The last state. With `inPlace` the tensor that was given. */
  readonly state: S;
  /** Of an LSTM: the last cells. With `inPlace` the tensor that was given. */
  readonly cell?: S;
}

const SEQUENCE = ["shape", "state", "cell", "inPlace", "out"] as const;

/** A sequence whose arguments are checked. */
interface Sequence {
  readonly source: Operand<"f32">;
  readonly steps: number;
  readonly state: Operand<"f32"> | undefined;
  readonly cell: Operand<"f32"> | undefined;
  readonly inPlace: boolean;
}

function checkSequence(layer: Recurrent, x: unknown, options: SequenceOptions): Sequence {
  checkOptions("options", options, SEQUENCE);
  const { kind, hidden, inFeatures, instance } = layer;
  const source = operand(instance, "x", x, ["f32"]);
  const shape = shapeOf(source, options.shape);
  if (shape.length > 2 || shape.at(-1) !== inFeatures) {
    throw rangeFault("x", `rows of ${inFeatures} elements`, shape);
  }
  const { inPlace = false } = options;
  if (typeof inPlace !== "boolean") throw typeFault("options.inPlace", "true or false", inPlace);
  if (kind === "gru" && options.cell !== undefined) {
    throw typeFault("options.cell", "nothing for a GRU", options.cell);
  }
  const initial = (name: "state" | "cell") => {
    const given = options[name];
    if (inPlace && !isTensor(given) && (name === "state" || kind === "lstm")) {
      throw typeFault(`options.${name}`, "a tensor, since options.inPlace is true", given);
    }
    if (given === undefined) return undefined;
    return operand(instance, `options.${name}`, given, ["f32"], hidden);
  };
  const state = initial("state");
  const cell = initial("cell");
  return { source, steps: source.length / inFeatures, state, cell, inPlace };
}

/** The addresses of a call's arrays: one block, in which each array is padded to whole vectors. */
interface Room {
  readonly lhs: number;
  readonly scales: number;
  readonly zeros: number;
  /** Products of the input's weights for all steps, then of the state's weights for one step. */
  readonly products: number;
  readonly own: number;
  readonly h: number;
  readonly c: number;
  readonly workspace: number;
}

const whole = (bytes: number): number => (bytes + 31) & ~15;

/**
 * Places each array by its own statement: lists and spreads would cost as much as a step's product.
 */
function place(call: Call, layer: Recurrent, steps: number): Room {
  const { hidden, inFeatures, input, state, instance } = layer;
  const { kernels } = instance;
  const width = whole(input.outFeatures * 4);
  const most = Math.max(steps, 1);
  const lhsBytes = whole(Math.max(steps * inFeatures, hidden));
  const rowBytes = whole(most * 4);
  const productBytes = whole(steps * input.outFeatures * 4);
  const stateBytes = whole(hidden * 4);
  const workspace = Math.max(
    kernels.gemm_workspace(most, inFeatures, input.matrix.dot.code),
    kernels.gemm_workspace(1, hidden, state.matrix.dot.code),
  );
  const fixed = lhsBytes + 2 * rowBytes + productBytes + width + 2 * stateBytes;
  const lhs = call.scratch(fixed + workspace);
  const scales = lhs + lhsBytes;
  const zeros = scales + rowBytes;
  const products = zeros + rowBytes;
  const own = products + productBytes;
  const h = own + width;
  const c = h + stateBytes;
  return { lhs, scales, zeros, products, own, h, c, workspace: c + stateBytes };
}

/** Products of f32 rows, quantized row by row. */
function multiply(layer: Linear, src: number, m: number, dst: number, room: Room): void {
  const { instance, matrix, inFeatures, outFeatures } = layer;
  writeCall(instance, matrix.record, {
    reals: src,
    realsStride: inFeatures * 4,
    lhs: room.lhs,
    lhsStride: inFeatures,
    lhsUnsigned: true,
    lhsZeros: room.zeros,
    lhsZero: 0,
    rowScales: room.scales,
    rowScale: 1,
    dst,
    dstStride: outFeatures * 4,
  });
  instance.kernels.gemm(matrix.record, 0, m, 0, panelsOf(outFeatures), room.workspace);
}

/** All steps, from src to rows of dst. h and c are replaced. */
function runSteps(layer: Recurrent, src: number, steps: number, dst: number, room: Room): void {
  const { instance, kind, hidden, input, state } = layer;
  const kernels = nnKernels(instance);
  const width = input.outFeatures * 4;
  const { h, c, own } = room;
  if (steps) multiply(input, src, steps, room.products, room);
  for (let step = 0; step < steps; step++) {
    multiply(state, h, 1, own, room);
    const at = room.products + step * width;
    const to = dst + step * hidden * 4;
    if (kind === "lstm") kernels.lstm_gates(at, own, hidden, c, h, to);
    else kernels.gru_gates(at, own, hidden, h, to);
  }
}

/**
 * Runs a cell over a sequence: x [steps, inFeatures], or one step [inFeatures]. The input's
 * products of all steps are one product. A step quantizes and multiplies its state row.
 *
 * Errors: another number of features, a state of another length, cells given to a GRU; with
 * `inPlace` states that are no tensors.
 *
 * @example
 * ```ts
 * const { values, state, cell } = recurrent(layer, x, { shape: [100, 128] });
 * ```
 */
export function recurrent<X extends Data<"f32">>(
  layer: Recurrent,
  x: X,
  options: SequenceOptions & { readonly inPlace: true },
): SequenceResult<InKind<X, "f32">, Tensor<"f32">>;
export function recurrent<X extends Data<"f32">>(
  layer: Recurrent,
  x: X,
  options?: SequenceOptions & { readonly inPlace?: false },
): SequenceResult<InKind<X, "f32">>;
export function recurrent<X extends Data<"f32">>(
  layer: Recurrent,
  x: X,
  options: SequenceOptions = {},
): SequenceResult<InKind<X, "f32">, Float32Array | Tensor<"f32">> {
  if (!(layer instanceof Recurrent)) {
    throw typeFault("layer", "a cell made by createLstm or createGru", layer);
  }
  const instance = instanceOf("layer", layer);
  const sequence = checkSequence(layer, x, options);
  const { source, steps, inPlace } = sequence;
  const { kind, hidden } = layer;
  const result = target(instance, options.out, "f32", [steps, hidden], isTensor(x));
  return inCall(instance, result, (call) => {
    const room = place(call, layer, steps);
    const src = call.input(source);
    const { heap } = instance;
    const initial = (given: Operand<"f32"> | undefined, to: number) => {
      const view = heap.view("f32", to, hidden);
      if (given) view.set(elementsOf(instance, given));
      else view.fill(0);
    };
    // `out` may lie over the states
    for (const given of inPlace ? [sequence.state, sequence.cell] : []) {
      if (given) call.reads(given.address, hidden * 4);
    }
    const { address, value } = call.output(result);
    const values = value as InKind<X, "f32">;
    const states = inPlace && hidden % 4 === 0 ? inTensors(sequence, room) : room;
    if (states === room) {
      initial(sequence.state, room.h);
      initial(sequence.cell, room.c);
    }
    runSteps(layer, src, steps, address, states);
    if (inPlace) {
      const given = { state: options.state as Tensor<"f32">, cell: options.cell as Tensor<"f32"> };
      if (states === room) {
        given.state.data.set(heap.view("f32", room.h, hidden));
        given.cell?.data.set(heap.view("f32", room.c, hidden));
      }
      return kind === "gru" ? { values, state: given.state } : { values, ...given };
    }
    const state = heap.view("f32", room.h, hidden).slice();
    if (kind === "gru") return { values, state };
    return { values, state, cell: heap.view("f32", room.c, hidden).slice() };
  });
}

/** The call's arrays with the states in the caller's tensors. Whole vectors need no padding. */
function inTensors({ state, cell }: Sequence, room: Room): Room {
  return { ...room, h: state?.address ?? room.h, c: cell?.address ?? room.c };
}
