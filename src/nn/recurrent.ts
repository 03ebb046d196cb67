/**
 * Recurrent cells: LSTM and GRU, weights in 8 bits, state in f32.
 *
 * @category Networks
 */
import { nnKernels } from "../builds/nn-kernels.ts";
import { type Data, elementsOf, type InKind, inCall, operand, target } from "../core/call.ts";
import { checkInteger, checkOptions, DESCRIBE, rangeFault, typeFault } from "../core/check.ts";
import { Handle, instanceOf } from "../core/handle.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { isTensor } from "../core/tensor.ts";
import { panelsOf, writeCall } from "../gemm/product.ts";
import { createInt8 } from "../linear/create-int8.ts";
import type { Linear } from "../linear/int8.ts";
import { shapeOf } from "./rows.ts";

/** Weights of a recurrent cell, as PyTorch and ONNX have them: rows of gates. */
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

  /** @internal */
  [DESCRIBE](): string {
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
 */
export function createLstm(instance: Bytelane, options: RecurrentOptions): Recurrent {
  return create(instance, "lstm", options, ["ifgo", "iofg"]);
}

/**
 * Prepares a GRU whose reset gate multiplies the state's product, bias included (PyTorch; ONNX with
 * linear_before_reset = 1): n = tanh(W x + r · U h), h' = n + z · (h − n). Run by `recurrent`.
 * Errors: as `createLstm`.
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
}

/** States of all steps, and what the next sequence begins with. */
export interface SequenceResult<V> {
  /** [steps, hidden]: the state after each step. */
  readonly values: V;
  /** The last state. */
  readonly state: Float32Array;
  /** Of an LSTM: the last cells. */
  readonly cell?: Float32Array;
}

/** Room of the rows that a product quantizes. */
interface Rows {
  readonly lhs: number;
  readonly scales: number;
  readonly zeros: number;
}

/** Products of f32 rows, quantized row by row. */
function multiply(
  layer: Linear,
  src: number,
  m: number,
  dst: number,
  rows: Rows,
  workspace: number,
): void {
  const { instance, matrix, inFeatures, outFeatures } = layer;
  writeCall(instance, matrix.record, {
    ...{ reals: src, realsStride: inFeatures * 4 },
    ...{ lhs: rows.lhs, lhsStride: inFeatures, lhsUnsigned: true },
    ...{ lhsZeros: rows.zeros, lhsZero: 0, rowScales: rows.scales, rowScale: 1 },
    ...{ dst, dstStride: outFeatures * 4 },
  });
  instance.kernels.gemm(matrix.record, 0, m, 0, panelsOf(outFeatures), workspace);
}

/**
 * Runs a cell over a sequence: x [steps, inFeatures], or one step [inFeatures]. The products of x
 * are one product of all steps; each step quantizes its state row, and its gates are one kernel.
 *
 *     const { values, state, cell } = recurrent(layer, x, { shape: [100, 128] });
 *
 * Errors: another number of features, a state of another length, cells given to a GRU.
 */
export function recurrent<X extends Data<"f32">>(
  layer: Recurrent,
  x: X,
  options: SequenceOptions = {},
): SequenceResult<InKind<X, "f32">> {
  if (!(layer instanceof Recurrent)) {
    throw typeFault("layer", "a cell made by createLstm or createGru", layer);
  }
  checkOptions("options", options, ["shape", "state", "cell"]);
  const instance = instanceOf("layer", layer);
  const { kind, hidden, inFeatures, input, state } = layer;
  const source = operand(instance, "x", x, ["f32"]);
  const shape = shapeOf(source, options.shape);
  if (shape.length > 2 || shape.at(-1) !== inFeatures) {
    throw rangeFault("x", `rows of ${inFeatures} elements`, shape);
  }
  const initial = (name: "state" | "cell") =>
    options[name] === undefined
      ? undefined
      : elementsOf(
          instance,
          operand(instance, `options.${name}`, options[name], ["f32"], hidden),
        ).slice();
  if (kind === "gru" && options.cell !== undefined) {
    throw typeFault("options.cell", "nothing for a GRU", options.cell);
  }
  const h0 = initial("state");
  const c0 = initial("cell");
  const steps = source.length / inFeatures;
  const result = target(instance, undefined, "f32", [steps, hidden], isTensor(x));
  return inCall(instance, (call) => {
    const { kernels } = instance;
    const gates = nnKernels(instance);
    const width = input.outFeatures;
    // one block: the gates go on to whole vectors, and so does each part
    const whole = (bytes: number) => (bytes + 31) & ~15;
    const counts = Math.max(steps, 1) * 4;
    const lhsBytes = whole(Math.max(steps * inFeatures, hidden));
    const workspaceBytes = Math.max(
      kernels.gemm_workspace(Math.max(steps, 1), inFeatures, input.matrix.dot.code),
      kernels.gemm_workspace(1, hidden, state.matrix.dot.code),
    );
    const [gateBytes, stateBytes] = [whole(width * 4), whole(hidden * 4)];
    const lhs = call.scratch(
      lhsBytes + 2 * whole(counts) + whole(steps * width * 4) + gateBytes + 2 * stateBytes,
    );
    const scales = lhs + lhsBytes;
    const zeros = scales + whole(counts);
    const rows = { lhs, scales, zeros };
    const own = zeros + whole(counts);
    const h = own + gateBytes;
    const c = h + stateBytes;
    const parts = c + stateBytes;
    const workspace = call.scratch(workspaceBytes);
    const src = call.input(source);
    const { address, value } = call.output(result);
    const { heap } = instance;
    heap.view("f32", h, hidden).fill(0);
    heap.view("f32", c, hidden).fill(0);
    if (h0) heap.view("f32", h, hidden).set(h0);
    if (c0) heap.view("f32", c, hidden).set(c0);
    const [written, current] = [
      heap.view("f32", address, steps * hidden),
      heap.view("f32", h, hidden),
    ];
    if (steps) multiply(input, src, steps, parts, rows, workspace);
    for (let step = 0; step < steps; step++) {
      multiply(state, h, 1, own, rows, workspace);
      const at = parts + step * width * 4;
      if (kind === "lstm") gates.lstm_gates(at, own, hidden, c, h);
      else gates.gru_gates(at, own, hidden, h, h);
      written.set(current, step * hidden);
    }
    const values = value as InKind<X, "f32">;
    const last = current.slice();
    if (kind === "gru") return { values, state: last };
    return { values, state: last, cell: heap.view("f32", c, hidden).slice() };
  });
}
