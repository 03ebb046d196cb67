/**
 * Weights alone: activations stay f32, and each quantized tensor is stored in the form that
 * runtimes read.
 *
 * @category ONNX models
 */
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { fromF16, toF16 } from "../elementwise/f16.ts";
import type { InputStats } from "../int4/input-stats.ts";
import { type Blocks, lossOfBlocks, packRows, quantizeBlocks, restoreBlocks } from "./blocks.ts";
import type { Edits } from "./edits.ts";
import { type Constant, type Graphs, nodeOf } from "./graph.ts";
import { importOpset, opsetOf } from "./model.ts";
import type { NodeProto, TensorProto } from "./onnx_pb.ts";
import { lossOfWeights } from "./report.ts";
import { isPointwise, type Site, transpose, weightRowsOf } from "./sites.ts";
import { TYPES, tensorOf } from "./tensor-data.ts";
import {
  divisor,
  fitting,
  MICROSOFT,
  quantizeRowsOf,
  refusal,
  STRIP,
  signed,
  valueName,
} from "./weight-rules.ts";

/** The version of ONNX's operators from which DequantizeLinear takes scales per channel. */
const PER_CHANNEL_OPSET = 13;
/** The version from which DequantizeLinear takes integers of 4 bits. */
const INT4_OPSET = 21;

/** How one constant is stored. */
export interface WeightPlan {
  readonly bits: 4 | 8 | 16;
  readonly blockSize: 16 | 32 | 64 | 128 | 256;
  readonly asymmetric: boolean;
  readonly method: "nearest" | "search" | "gptq";
  /**
   * A 1 × 1 Conv as Transpose, MatMulNBits, Transpose; else its weights are dequantized before it.
   */
  readonly pointwise: "dequantize" | "matmul";
  readonly accuracyLevel: number | undefined;
  readonly moments: InputStats | undefined;
}

/** How a constant was stored. */
export interface StoredConstant {
  readonly how: string;
  readonly bytes: number;
  readonly sqnr: number;
  readonly cosine: number;
}

/**
 * Writes quantized constants into a model. A text instead of a result is the reason why a constant
 * stays unchanged.
 */
export class WeightWriter {
  readonly #instance: Bytelane;
  readonly #graphs: Graphs;
  readonly #edits: Edits;
  /** True where INT4 or UINT4 was written, which version 10 of the format brought. */
  usesInt4 = false;

  constructor(instance: Bytelane, graphs: Graphs, edits: Edits) {
    this.#instance = checkInstance(instance);
    this.#graphs = graphs;
    this.#edits = edits;
  }

  /** Stores a constant for all its sites. `reals` are its elements in the order of the file. */
  store(
    constant: Constant,
    sites: readonly Site[],
    reals: Float32Array,
    plan: WeightPlan,
  ): StoredConstant | string {
    const refused = refusal(reals, plan.bits);
    if (refused) return refused;
    if (plan.bits === 16) return this.#storeF16(constant, reals);
    const tables = sites.filter(({ operator }) => operator === "Gather");
    if (tables.length === sites.length) return this.#storeTable(constant, sites, reals, plan);
    if (tables.length > 0) return this.#storeMixed(constant, sites, reals, plan);
    const [site] = sites;
    if (sites.some(({ transposed }) => transposed !== site.transposed)) {
      return "read by operators that need it in two orientations";
    }
    if (sites.every((each) => this.#isMatmul(each, plan)))
      return this.#storeMatmul(constant, sites, reals, plan);
    return this.#storeDequantized(constant, site, reals, plan);
  }

  /**
   * The restored values and the bytes of a constant, if it were stored. Elements are in the order
   * of the file.
   */
  restore(
    site: Site,
    reals: Float32Array,
    plan: WeightPlan,
  ): { restored: Float32Array; bytes: number } {
    if (plan.bits === 8 && !this.#isMatmul(site, plan) && site.operator !== "Gather") {
      const { values, scales, restored } = quantizeRowsOf(this.#instance, site, reals);
      return { restored, bytes: values.length + scales.byteLength };
    }
    const fills = this.#isMatmul(site, plan) || site.operator === "Gather";
    const size = fills
      ? fitting(plan.blockSize, site.columns)
      : divisor(site.columns, plan.blockSize);
    const { blocks } = this.#quantize(site, reals, plan, size);
    const restored = restoreBlocks(blocks);
    const padded = this.#isMatmul(site, plan) ? blocks.blocks * size : site.columns;
    const zeros = plan.asymmetric ? blocks.zeros.length * plan.bits : 0;
    const bits = site.rows * padded * plan.bits + zeros;
    return {
      restored: site.transposed ? transpose(restored, site.rows, site.columns) : restored,
      bytes: Math.ceil(bits / 8) + blocks.scales.byteLength,
    };
  }

  #isMatmul(site: Site, { pointwise }: WeightPlan): boolean {
    const { operator } = site;
    return (
      operator === "MatMul" || operator === "Gemm" || (pointwise === "matmul" && isPointwise(site))
    );
  }

  /** A table that is a matrix as well: each of the two in its own form. */
  #storeMixed(
    constant: Constant,
    sites: readonly Site[],
    reals: Float32Array,
    plan: WeightPlan,
  ): StoredConstant | string {
    const tables = sites.filter(({ operator }) => operator === "Gather");
    const others = sites.filter(({ operator }) => operator !== "Gather");
    const table = this.#storeTable(constant, tables, reals, plan);
    if (typeof table === "string") return table;
    const other = this.store(constant, others, reals, plan);
    if (typeof other === "string") return other;
    return { ...other, how: `${table.how}; ${other.how}`, bytes: table.bytes + other.bytes };
  }

  #quantize(site: Site, reals: Float32Array, plan: WeightPlan, blockSize: number): Quantized {
    const rows = weightRowsOf(site, reals);
    const moments = plan.moments?.features === site.columns ? plan.moments : undefined;
    const blocks = quantizeBlocks(this.#instance, rows, site.rows, site.columns, {
      bits: plan.bits as 4 | 8,
      blockSize,
      asymmetric: plan.asymmetric,
      method: plan.method === "nearest" ? "nearest" : "search",
      importance: moments?.importance(),
      feedback: plan.method === "gptq" ? moments?.feedback() : undefined,
    });
    return { blocks, ...lossOfBlocks(rows, blocks) };
  }

  /** Names of new tensors begin with that of the old one. */
  #add(constant: Constant, suffix: string, make: (name: string) => TensorProto): string {
    const base = constant.node?.output[0] ?? constant.tensor.name ?? "weights";
    return this.#edits.tensor(constant.scope, make(this.#graphs.fresh(`${base}_${suffix}`)));
  }

  #storeMatmul(
    constant: Constant,
    sites: readonly Site[],
    reals: Float32Array,
    plan: WeightPlan,
  ): StoredConstant {
    const [site] = sites;
    const fitted = fitting(plan.blockSize, site.columns);
    const { blocks, sqnr, cosine } = this.#quantize(site, reals, plan, fitted);
    const bits = plan.bits as 4 | 8;
    const { rows, columns, blockSize } = blocks;
    const size = (blockSize * bits) / 8;
    const stride = blocks.blocks * blockSize;
    const values = packRows(blocks.codes, rows, columns, stride, bits);
    const zeros = packRows(blocks.zeros, rows, blocks.blocks, blocks.blocks, bits);
    const inputs = [
      this.#add(constant, `q${bits}`, (name) =>
        tensorOf(name, TYPES.UINT8, [rows, blocks.blocks, size], values),
      ),
      this.#add(constant, "scales", (name) =>
        tensorOf(name, TYPES.FLOAT, [rows, blocks.blocks], blocks.scales),
      ),
    ];
    if (plan.asymmetric) {
      inputs.push(
        this.#add(constant, "zero_points", (name) =>
          tensorOf(name, TYPES.UINT8, [rows, zeros.length / rows], zeros),
        ),
      );
    }
    const level = plan.accuracyLevel === undefined ? {} : { accuracy_level: plan.accuracyLevel };
    const attributes = { K: columns, N: rows, bits, block_size: blockSize, ...level };
    for (const each of sites) this.#replaceProduct(each, inputs, attributes);
    importOpset(this.#graphs.model, MICROSOFT, 1);
    this.#edits.release(constant);
    const bytes = values.length + blocks.scales.byteLength + (plan.asymmetric ? zeros.length : 0);
    return { how: `MatMulNBits ${bits} bits, blocks of ${blockSize}`, bytes, sqnr, cosine };
  }

  /**
   * Replaces a product by MatMulNBits. Further nodes add Gemm's bias, or transpose the channels of
   * Conv.
   */
  #replaceProduct(
    { operator, node, scope }: Site,
    weights: readonly string[],
    attributes: Readonly<Record<string, number>>,
  ): void {
    const [x] = node.input;
    const [y] = node.output;
    const product = (from: string, to: string): NodeProto => {
      const made = nodeOf("MatMulNBits", [from, ...weights], [to], attributes, MICROSOFT);
      if (node.name) made.name = node.name;
      return made;
    };
    const bias = node.input[2];
    if (operator === "Conv") {
      const [rows, sums, biased] = ["rows", "products", "biased"].map((suffix) =>
        this.#graphs.fresh(`${y}_${suffix}`),
      );
      this.#edits.replace(scope, node, [
        nodeOf("Transpose", [x], [rows], { perm: [0, 2, 3, 1] }),
        product(rows, sums),
        ...(bias ? [nodeOf("Add", [sums, bias], [biased])] : []),
        nodeOf("Transpose", [bias ? biased : sums], [y], { perm: [0, 3, 1, 2] }),
      ]);
      return;
    }
    if (!bias) {
      this.#edits.replace(scope, node, [product(x, y)]);
      return;
    }
    const sums = this.#graphs.fresh(`${y}_products`);
    this.#edits.replace(scope, node, [product(x, sums), nodeOf("Add", [sums, bias], [y])]);
  }

  #storeTable(
    constant: Constant,
    sites: readonly Site[],
    reals: Float32Array,
    plan: WeightPlan,
  ): StoredConstant | string {
    const [site] = sites;
    const bits = plan.bits as 4 | 8;
    if (site.columns % 2 === 1) return "rows of an odd number of elements";
    const fitted = fitting(plan.blockSize, site.columns);
    const { blocks, sqnr, cosine } = this.#quantize(site, reals, plan, fitted);
    const { rows, columns, blockSize } = blocks;
    const values = packRows(blocks.codes, rows, columns, columns, bits);
    // codes of 8 bits are unsigned with a middle of 128; of 4 bits without zero points they are
    // signed
    if (bits === 4 && !plan.asymmetric) signed(values);
    const type = bits === 8 ? TYPES.UINT8 : plan.asymmetric ? TYPES.UINT4 : TYPES.INT4;
    if (bits === 4) this.usesInt4 = true;
    const table = this.#add(constant, `q${bits}`, (name) =>
      tensorOf(name, type, [rows, columns], values),
    );
    const dims = [rows, blocks.blocks];
    const scales = this.#add(constant, "scales", (name) =>
      tensorOf(name, TYPES.FLOAT, dims, blocks.scales),
    );
    const weights = [scales];
    let zeroBytes = 0;
    if (plan.asymmetric) {
      const count = rows * blocks.blocks;
      const zeros = packRows(blocks.zeros, 1, count, count, bits);
      zeroBytes = zeros.length;
      weights.push(this.#add(constant, "zero_points", (name) => tensorOf(name, type, dims, zeros)));
    }
    const attributes = {
      ...{ gather_axis: 0, quantize_axis: 1, block_size: blockSize },
      ...(bits === 8 ? { bits } : {}),
    };
    for (const { node, scope } of sites) {
      const inputs = [table, node.input[1], ...weights];
      const gather = nodeOf("GatherBlockQuantized", inputs, node.output, attributes, MICROSOFT);
      if (node.name) gather.name = node.name;
      this.#edits.replace(scope, node, [gather]);
    }
    importOpset(this.#graphs.model, MICROSOFT, 1);
    this.#edits.release(constant);
    const bytes = values.length + blocks.scales.byteLength + zeroBytes;
    return {
      how: `GatherBlockQuantized ${bits} bits, blocks of ${blockSize}`,
      bytes,
      sqnr,
      cosine,
    };
  }

  /**
   * Stores DequantizeLinear under the constant's own name, so that the nodes that read it stay
   * unchanged.
   */
  #storeDequantized(
    constant: Constant,
    site: Site,
    reals: Float32Array,
    plan: WeightPlan,
  ): StoredConstant {
    if (plan.bits === 8) return this.#storeChannels(constant, site, reals);
    const blockSize = divisor(site.columns, plan.blockSize);
    const { blocks, sqnr, cosine } = this.#quantize(site, reals, plan, blockSize);
    const count = blocks.scales.length;
    const { codes } = blocks;
    const values = packRows(codes, 1, codes.length, codes.length, 4);
    const type = plan.asymmetric ? TYPES.UINT4 : TYPES.INT4;
    if (!plan.asymmetric) signed(values);
    this.usesInt4 = true;
    // a block is stored as a channel, which operator sets before 21 support too
    const inputs = [
      this.#add(constant, "q4", (name) => tensorOf(name, type, [count, blockSize], values)),
      this.#add(constant, "scales", (name) => tensorOf(name, TYPES.FLOAT, [count], blocks.scales)),
    ];
    let bytes = values.length + blocks.scales.byteLength;
    if (plan.asymmetric) {
      const zeros = packRows(blocks.zeros, 1, count, count, 4);
      inputs.push(
        this.#add(constant, "zero_points", (name) => tensorOf(name, type, [count], zeros)),
      );
      bytes += zeros.length;
    }
    const shape = this.#add(constant, "shape", (name) =>
      tensorOf(
        name,
        TYPES.INT64,
        [site.dims.length],
        BigInt64Array.from(site.dims, (size) => BigInt(size)),
      ),
    );
    const flat = this.#graphs.fresh(`${site.name}_blocks`);
    this.#edits.replaceConstant(constant, [
      this.#dequantize(inputs, flat, 0, INT4_OPSET),
      nodeOf("Reshape", [flat, shape], [valueName(constant)]),
    ]);
    return { how: `DequantizeLinear 4 bits, blocks of ${blockSize}`, bytes, sqnr, cosine };
  }

  #dequantize(inputs: string[], output: string, axis: number, since: number): NodeProto {
    const { model } = this.#graphs;
    const own = opsetOf(model) >= since;
    if (!own) importOpset(model, MICROSOFT, 1);
    return nodeOf("DequantizeLinear", inputs, [output], { axis }, own ? "" : MICROSOFT);
  }

  /** Int8 with a scale per output channel. */
  #storeChannels(constant: Constant, site: Site, reals: Float32Array): StoredConstant {
    const { values, scales, restored } = quantizeRowsOf(this.#instance, site, reals);
    const inputs = [
      this.#add(constant, "q8", (name) => tensorOf(name, TYPES.INT8, site.dims, values)),
      this.#add(constant, "scales", (name) => tensorOf(name, TYPES.FLOAT, [site.rows], scales)),
    ];
    const axis = site.transposed ? 1 : 0;
    this.#edits.replaceConstant(constant, [
      this.#dequantize(inputs, valueName(constant), axis, PER_CHANNEL_OPSET),
    ]);
    const bytes = values.length + scales.byteLength;
    return { how: "DequantizeLinear 8 bits per channel", bytes, ...lossOfWeights(reals, restored) };
  }

  #storeF16(constant: Constant, reals: Float32Array): StoredConstant {
    const instance = this.#instance;
    const halves = new Uint16Array(reals.length);
    const restored = new Float32Array(reals.length);
    for (let at = 0; at < reals.length; at += STRIP) {
      const out = halves.subarray(at, at + STRIP);
      toF16(instance, reals.subarray(at, at + STRIP), { out });
      restored.set(fromF16(instance, out), at);
    }
    const dims = constant.tensor.dims.map(Number);
    const name = this.#add(constant, "f16", (fresh) =>
      tensorOf(fresh, TYPES.FLOAT16, dims, halves),
    );
    const cast = nodeOf("Cast", [name], [valueName(constant)], { to: TYPES.FLOAT });
    this.#edits.replaceConstant(constant, [cast]);
    return { how: "f16", bytes: halves.byteLength, ...lossOfWeights(reals, restored) };
  }
}

interface Quantized {
  readonly blocks: Blocks;
  readonly sqnr: number;
  readonly cosine: number;
}
