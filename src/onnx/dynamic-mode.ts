/**
 * The mode "dynamic": products in 8 bits, whose activations are quantized when the model runs.
 *
 * @category ONNX models
 */
import { type Constant, nodeOf, type Scope } from "./graph.ts";
import { importOpset, opsetOf } from "./model.ts";
import type { NodeProto } from "./onnx_pb.ts";
import { lossOfWeights, type TensorReport } from "./report.ts";
import { type Site, transpose } from "./sites.ts";
import type { Result, Task } from "./task.ts";
import { TYPES, tensorOf } from "./tensor-data.ts";
import { MICROSOFT, quantizeRowsOf, refusal, valueName } from "./weight-rules.ts";

/** The middle of the unsigned codes of a Conv's weights: all runtimes take these. */
const MIDDLE = 128;
/** DynamicQuantizeLinear begins here. */
const DYNAMIC_OPSET = 11;

/**
 * Quantizes the weights of MatMul, Gemm and Conv to 8 bits per channel, and their inputs at run
 * time.
 */
export async function quantizeDynamically(task: Task): Promise<TensorReport[]> {
  const sites = task.sitesByConstant();
  const rewriter = new DynamicRewriter(task);
  const reports: TensorReport[] = [];
  const constants = task.constants();
  for (const [done, constant] of constants.entries()) {
    const own = sites.get(constant) ?? [];
    const bits = task.options.bitsOf(valueName(constant)) ?? 8;
    const reason = task.reason(constant, own, bits) ?? rewriter.reason(own);
    let result: Result | undefined = reason;
    if (result === undefined) {
      const reals = await task.reals(constant);
      result = refusal(reals, 8) ?? rewriter.rewrite(constant, own, reals);
    }
    reports.push(task.report(constant, result));
    task.progress("quantize", done + 1, constants.length);
  }
  task.edits.apply();
  return reports;
}

/** Names of a value's codes, scale and zero point. */
type Quantized = readonly [codes: string, scale: string, zeroPoint: string];

/** Writes the nodes. A value that several Convs read is quantized once. */
class DynamicRewriter {
  readonly #task: Task;
  readonly #inputs = new Map<Scope, Map<string, Quantized>>();

  constructor(task: Task) {
    this.#task = task;
  }

  /** The reason why sites stay in float, or undefined. */
  reason(sites: readonly Site[]): string | undefined {
    if (sites.some(({ operator }) => operator === "Gather")) return "a table, not a product";
    if (sites.some(({ transposed }) => transposed !== sites[0].transposed)) {
      return "read by operators that need it in two orientations";
    }
    const isConv = sites.some(({ operator }) => operator === "Conv");
    const { model } = this.#task;
    if (isConv && opsetOf(model) < DYNAMIC_OPSET) {
      return `operator set ${opsetOf(model)} has no DynamicQuantizeLinear`;
    }
    return undefined;
  }

  rewrite(constant: Constant, sites: readonly Site[], reals: Float32Array): Result {
    const { instance, edits, options } = this.#task;
    const { values, scales, restored } = quantizeRowsOf(
      instance,
      sites[0],
      reals,
      options.weightBits,
    );
    edits.release(constant);
    const how =
      sites[0].operator === "Conv"
        ? this.#convolutions(constant, sites, values, scales)
        : this.#products(constant, sites, values, scales);
    const bytes = values.length + scales.byteLength;
    return { how, bytes, ...lossOfWeights(reals, restored) };
  }

  #add(
    constant: Constant,
    suffix: string,
    type: number,
    dims: readonly number[],
    data: ArrayBufferView,
  ): string {
    const { graphs, edits } = this.#task;
    const name = graphs.fresh(`${valueName(constant)}_${suffix}`);
    return edits.tensor(constant.scope, tensorOf(name, type, dims, data));
  }

  #products(
    constant: Constant,
    sites: readonly Site[],
    values: Int8Array,
    scales: Float32Array,
  ): string {
    const { graphs, edits, model } = this.#task;
    const [{ rows, columns, transposed }] = sites;
    const matrix = transposed ? values : transpose(values, rows, columns);
    const weights = this.#add(constant, "q8", TYPES.INT8, [columns, rows], matrix);
    const scale = this.#add(constant, "scales", TYPES.FLOAT, [rows], scales);
    importOpset(model, MICROSOFT, 1);
    for (const { node, scope } of sites) {
      const [x, , bias] = node.input;
      const [y] = node.output;
      const sums = bias ? graphs.fresh(`${y}_products`) : y;
      const product = nodeOf("DynamicQuantizeMatMul", [x, weights, scale], [sums], {}, MICROSOFT);
      if (node.name) product.name = node.name;
      edits.replace(scope, node, [product, ...(bias ? [nodeOf("Add", [sums, bias], [y])] : [])]);
    }
    return "DynamicQuantizeMatMul 8 bits per channel";
  }

  #convolutions(
    constant: Constant,
    sites: readonly Site[],
    values: Int8Array,
    scales: Float32Array,
  ): string {
    const { graphs, edits } = this.#task;
    const [{ dims, rows }] = sites;
    const codes = Uint8Array.from(values, (value) => value + MIDDLE);
    const perChannel = [1, rows, ...dims.slice(2).map(() => 1)];
    const weights = this.#add(constant, "q8", TYPES.UINT8, dims, codes);
    const scale = this.#add(constant, "scales", TYPES.FLOAT, perChannel, scales);
    const middle = this.#add(constant, "zero_point", TYPES.UINT8, [], Uint8Array.of(MIDDLE));
    for (const { node, scope } of sites) {
      const [x, , bias] = node.input;
      const [y] = node.output;
      const [sums, reals, steps, scaled, shape, shaped] = [
        ...["sums", "reals", "steps", "scaled", "bias_shape", "bias"],
      ].map((suffix) => graphs.fresh(`${y}_${suffix}`));
      const before: NodeProto[] = [];
      const known = this.#inputs.get(scope) ?? new Map<string, Quantized>();
      this.#inputs.set(scope, known);
      let input = known.get(x);
      if (!input) {
        const fresh = (suffix: string): string => graphs.fresh(`${x}_${suffix}`);
        input = [fresh("q8"), fresh("scale"), fresh("zero_point")];
        known.set(x, input);
        before.push(nodeOf("DynamicQuantizeLinear", [x], input));
      }
      const conv = nodeOf("ConvInteger", [input[0], weights, input[2], middle], [sums]);
      conv.attribute = node.attribute;
      if (node.name) conv.name = node.name;
      const after = [
        nodeOf("Cast", [sums], [reals], { to: TYPES.FLOAT }),
        nodeOf("Mul", [input[1], scale], [steps]),
        nodeOf("Mul", [reals, steps], [bias ? scaled : y]),
      ];
      if (bias) {
        const data = BigInt64Array.from(perChannel, BigInt);
        edits.tensor(scope, tensorOf(shape, TYPES.INT64, [perChannel.length], data));
        after.push(
          nodeOf("Reshape", [bias, shape], [shaped]),
          nodeOf("Add", [scaled, shaped], [y]),
        );
      }
      edits.replace(scope, node, [...before, conv, ...after]);
    }
    return "ConvInteger 8 bits per channel";
  }
}
