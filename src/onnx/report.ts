/**
 * The report on each tensor of a model.
 *
 * @category ONNX models
 */
import { checkObject, checkRecords } from "../core/check.ts";

/** One constant of the model. */
export interface TensorReport {
  /** The value's name in the file. */
  readonly name: string;
  /** The operators that read it. */
  readonly operators: readonly string[];
  readonly shape: readonly number[];
  /**
   * How it is stored now, such as "MatMulNBits 4 bits, blocks of 32"; undefined where it was left
   * alone.
   */
  readonly stored: string | undefined;
  /** Bits per weight, scales and zero points counted. */
  readonly bits: number;
  readonly bytesBefore: number;
  readonly bytes: number;
  /** Signal over noise of the weights in dB; Infinity where nothing was lost. */
  readonly sqnr: number;
  readonly cosine: number;
  /** Why it was left alone. */
  readonly reason: string | undefined;
}

/** The report on a model. */
export interface OnnxReport {
  /** One per constant, in the order of the file. */
  readonly tensors: readonly TensorReport[];
  /** Bytes of the model, external data counted. */
  readonly bytesBefore: number;
  readonly bytes: number;
  /** f32 bytes of the tensors that were quantized, and their bytes now. */
  readonly quantizedBytesBefore: number;
  readonly quantizedBytes: number;
  /** Notes on the model as a whole, such as a raised operator set. */
  readonly notes: readonly string[];
}

/** @internal The error of restored weights, which may be added in parts. */
export class WeightLoss {
  #noise = 0;
  #signal = 0;
  #restored = 0;
  #product = 0;

  add(weights: Float32Array, restored: Float32Array): this {
    let [noise, signal, squares, product] = [0, 0, 0, 0];
    for (let i = 0; i < restored.length; i++) {
      const [x, y] = [weights[i], restored[i]];
      noise += (x - y) * (x - y);
      signal += x * x;
      squares += y * y;
      product += x * y;
    }
    this.#noise += noise;
    this.#signal += signal;
    this.#restored += squares;
    this.#product += product;
    return this;
  }

  /** Signal over noise in dB, and the cosine; 1 where both are nothing but 0. */
  get result(): { sqnr: number; cosine: number } {
    const length = Math.sqrt(this.#signal) * Math.sqrt(this.#restored);
    const isSame = this.#signal === this.#restored;
    return {
      sqnr:
        this.#noise === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(this.#signal / this.#noise),
      cosine: length > 0 ? this.#product / length : isSame ? 1 : 0,
    };
  }
}

/** @internal `WeightLoss` of complete weights. */
export function lossOfWeights(
  weights: Float32Array,
  restored: Float32Array,
): { sqnr: number; cosine: number } {
  return new WeightLoss().add(weights, restored).result;
}

/** @internal Sums the tensors up. */
export function reportOf(
  tensors: readonly TensorReport[],
  bytesBefore: number,
  bytes: number,
  notes: readonly string[],
): OnnxReport {
  const quantized = tensors.filter(({ stored }) => stored !== undefined);
  const sum = (key: "bytesBefore" | "bytes"): number =>
    quantized.reduce((total, each) => total + each[key], 0);
  return {
    tensors,
    ...{ bytesBefore, bytes },
    quantizedBytesBefore: sum("bytesBefore"),
    quantizedBytes: sum("bytes"),
    notes,
  };
}

const NUMBERS = { bits: "number", bytes: "number", sqnr: "number", cosine: "number" } as const;

function checkReport(report: OnnxReport): void {
  checkObject("report", report);
  const texts = { name: "string", operators: "array", shape: "array" } as const;
  checkRecords("report.tensors", report.tensors, { ...texts, ...NUMBERS });
}

/**
 * The report as lines of text, a tensor per line.
 *
 * @example
 * ```ts
 * console.log(onnxReportTable(report));
 * ```
 */
export function onnxReportTable(report: OnnxReport): string {
  checkReport(report);
  const rows = [
    ["tensor", "operator", "shape", "bits", "bytes", "SQNR dB", "cosine", "stored"],
    ...report.tensors.map((each) => [
      each.name,
      each.operators.join(", "),
      each.shape.join(" × "),
      each.bits.toFixed(2),
      String(each.bytes),
      each.stored === undefined ? "" : each.sqnr.toFixed(1),
      each.stored === undefined ? "" : each.cosine.toFixed(5),
      each.stored ?? `left: ${each.reason}`,
    ]),
  ];
  const widths = rows[0].map((_, i) => Math.max(...rows.map((cells) => cells[i].length)));
  const numeric = new Set([3, 4, 5, 6]);
  return rows
    .map((cells) =>
      cells
        .map((cell, i) => (numeric.has(i) ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
