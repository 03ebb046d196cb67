/**
 * Writes a smaller checkpoint, strip by strip. Only a few rows of one tensor are in memory, however
 * large the files are.
 *
 *   8 bits  NAME I8 in its old shape, NAME.scales F32 [rows]; a row is what one index of the first
 *           dimension leaves
 *   4 bits  NAME U8 [rows, blocks, blockSize / 2], NAME.scales F32 [rows, blocks]: the operands of
 *           MatMulNBits
 *   16      NAME F16
 *
 * The metadata hold, under "bytelane", JSON that names each quantized tensor with its bits, block
 * size and old shape.
 *
 * @category Files
 */
import { checkInteger, checkOneOf, checkOptions, typeFault } from "../core/check.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import type { Signal } from "../core/signal.ts";
import { quantizeRows } from "../elementwise/dynamic-quantize.ts";
import { fromF16, toF16 } from "../elementwise/f16.ts";
import { dequantizeInt4 } from "../int4/dequantize.ts";
import { quantizeInt4 } from "../int4/quantize.ts";
import { type HeaderEntry, writeHeader } from "./safetensors.ts";
import {
  openSafetensors,
  type SafetensorsFile,
  type SafetensorsSource,
} from "./safetensors-file.ts";
import type { SafetensorsDType, SafetensorsEntry } from "./safetensors-header.ts";
import { isReal, tensorFloats } from "./safetensors-values.ts";

/** Elements that are read at a time. */
const STRIP = 2 ** 22;
/** Bytes that are copied at a time. */
const COPY = 2 ** 24;
/** The first f32 that rounds to Infinity in f16. */
const F16_LIMIT = 65520;

/** How a checkpoint is quantized, and where the result goes. */
export interface QuantizeSafetensorsOptions {
  /** Bits of weights; 16 is f16. Default 8. */
  readonly bits?: 4 | 8 | 16;
  /** Of 4 bits: weights of a row that share a scale. Default 32. */
  readonly blockSize?: 16 | 32 | 64 | 128 | 256;
  /**
   * Of 4 bits: "nearest" takes scales from the extremes, "search" minimizes the error. Default
   * "search".
   */
  readonly method?: "nearest" | "search";
  /** Tensors with fewer elements stay as they are. Default 1024. */
  readonly minElements?: number;
  /** Called with the bytes of the result, in order. */
  readonly write: (bytes: Uint8Array) => void | Promise<void>;
  /** Called with the progress, in bytes of the source. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
  /** Ends the work with the signal's reason. */
  readonly signal?: Signal;
}

const KEYS: readonly (keyof QuantizeSafetensorsOptions)[] = [
  ...(["bits", "blockSize", "method", "minElements", "write", "onProgress", "signal"] as const),
];

/** The result for one tensor. */
export interface SafetensorReport {
  readonly name: string;
  readonly shape: readonly number[];
  readonly bytesBefore: number;
  readonly bytes: number;
  /** Bits of the result, or undefined if it was copied unchanged. */
  readonly bits: number | undefined;
  /** Signal over noise in dB; Infinity where nothing was lost. */
  readonly sqnr: number;
  readonly cosine: number;
  /** Why it was copied unchanged. */
  readonly reason: string | undefined;
}

/** The result for a checkpoint. */
export interface SafetensorsReport {
  readonly tensors: readonly SafetensorReport[];
  readonly bytesBefore: number;
  readonly bytes: number;
}

/** Sums over a tensor's elements x and their restored values y. */
class Loss {
  #signal = 0;
  #noise = 0;
  #result = 0;
  #product = 0;

  add(x: Float32Array, y: Float32Array): void {
    for (let i = 0; i < x.length; i++) {
      this.#signal += x[i] * x[i];
      this.#noise += (x[i] - y[i]) ** 2;
      this.#result += y[i] * y[i];
      this.#product += x[i] * y[i];
    }
  }

  figures(): { sqnr: number; cosine: number } {
    const both = Math.sqrt(this.#signal * this.#result);
    return {
      sqnr:
        this.#noise > 0 ? 10 * Math.log10(this.#signal / this.#noise) : Number.POSITIVE_INFINITY,
      cosine: both > 0 ? Math.min(this.#product / both, 1) : 1,
    };
  }
}

interface Plan {
  readonly name: string;
  readonly entry: SafetensorsEntry;
  readonly reason: string | undefined;
  readonly rows: number;
  readonly columns: number;
}

/**
 * Quantizes a checkpoint: tensors of reals with two dimensions or more. Others, and those that hold
 * NaN or Infinity, are copied. Each tensor is read twice: a file names the types of all tensors
 * before the first one's data.
 *
 * Errors: those of `openSafetensors`, of the options, and of `write`.
 *
 * @example
 * ```ts
 * const { tensors } = await quantizeSafetensors(instance, file, { bits: 4, write });
 * ```
 */
export async function quantizeSafetensors(
  instance: Bytelane,
  source: SafetensorsSource,
  options: QuantizeSafetensorsOptions,
): Promise<SafetensorsReport> {
  checkInstance(instance);
  const task = new SafetensorsTask(instance, await openSafetensors(source), check(options));
  return task.run();
}

type Checked = Required<
  Pick<QuantizeSafetensorsOptions, "bits" | "blockSize" | "method" | "write">
> &
  QuantizeSafetensorsOptions & { readonly minElements: number };

function check(options: QuantizeSafetensorsOptions): Checked {
  checkOptions("options", options, KEYS);
  const { write } = options;
  if (typeof write !== "function") throw typeFault("options.write", "a function", write);
  return {
    ...options,
    bits: checkOneOf("options.bits", options.bits ?? 8, [4, 8, 16] as const),
    blockSize: checkOneOf("options.blockSize", options.blockSize ?? 32, [
      16, 32, 64, 128, 256,
    ] as const),
    method: checkOneOf("options.method", options.method ?? "search", [
      "nearest",
      "search",
    ] as const),
    minElements: checkInteger("options.minElements", options.minElements ?? 1024, 0, 2 ** 53 - 1),
  };
}

class SafetensorsTask {
  readonly #instance: Bytelane;
  readonly #file: SafetensorsFile;
  readonly #options: Checked;
  #done = 0;

  constructor(instance: Bytelane, file: SafetensorsFile, options: Checked) {
    this.#instance = instance;
    this.#file = file;
    this.#options = options;
  }

  get #total(): number {
    let total = 0;
    for (const { length } of this.#file.tensors.values()) total += 2 * length;
    return total;
  }

  #step(bytes: number): void {
    this.#done += bytes;
    this.#options.signal?.throwIfAborted();
    this.#options.onProgress?.({ done: this.#done, total: this.#total });
  }

  async run(): Promise<SafetensorsReport> {
    const { bits, blockSize, write } = this.#options;
    const plans: Plan[] = [];
    for (const [name, entry] of this.#file.tensors) plans.push(await this.#plan(name, entry));
    const entries = plans.flatMap((plan) => this.#entries(plan));
    const quantized = plans.filter(({ reason }) => reason === undefined);
    const noted = Object.fromEntries(
      quantized.map(({ name, entry: { shape } }) => [
        name,
        { bits, shape, ...(bits === 4 ? { blockSize } : {}) },
      ]),
    );
    const metadata = new Map(this.#file.metadata);
    metadata.set("bytelane", JSON.stringify({ version: 1, tensors: noted }));
    const { header, lengths } = writeHeader(entries, metadata);
    await write(header);
    const tensors: SafetensorReport[] = [];
    for (const plan of plans) tensors.push(await this.#write(plan));
    const bytes = header.length + lengths.reduce((sum, length) => sum + length, 0);
    const bytesBefore = plans.reduce((sum, { entry }) => sum + entry.length, 0);
    return { tensors, bytesBefore, bytes };
  }

  /**
   * Decides how a tensor is stored. Its data are read to the end, since the last element may be
   * NaN.
   */
  async #plan(name: string, entry: SafetensorsEntry): Promise<Plan> {
    const count = entry.shape.reduce((product, size) => product * size, 1);
    const rows = entry.shape[0] ?? 1;
    const columns = rows > 0 ? count / rows : 0;
    let reason: string | undefined;
    if (!isReal(entry.dtype)) reason = `${entry.dtype}, not reals`;
    else if (entry.shape.length < 2) reason = "fewer than two dimensions";
    else if (count < Math.max(this.#options.minElements, 1)) {
      reason = `fewer than ${this.#options.minElements} elements`;
    } else if (this.#options.bits === 4 && columns > 2 ** 20) reason = "rows of more than 2^20";
    const plan = { name, entry, rows, columns };
    if (reason !== undefined) {
      this.#step(entry.length);
      return { ...plan, reason };
    }
    const limit = this.#options.bits === 16 ? F16_LIMIT : Number.POSITIVE_INFINITY;
    await this.#strips({ ...plan, reason }, (reals) => {
      // false for NaN
      if (!reals.every((value) => Math.abs(value) < limit)) {
        reason = this.#options.bits === 16 ? "holds values beyond f16" : "holds NaN or Infinity";
      }
    });
    return { ...plan, reason };
  }

  /** The tensors that replace a tensor, in the order of their data. */
  #entries({ name, entry, reason, rows, columns }: Plan): HeaderEntry[] {
    const { bits, blockSize } = this.#options;
    const { shape } = entry;
    if (reason !== undefined) return [{ name, dtype: entry.dtype as SafetensorsDType, shape }];
    if (bits === 16) return [{ name, dtype: "F16", shape }];
    const scales = `${name}.scales`;
    if (bits === 8) {
      return [
        { name, dtype: "I8", shape },
        { name: scales, dtype: "F32", shape: [rows] },
      ];
    }
    const blocks = Math.ceil(columns / blockSize);
    return [
      { name, dtype: "U8", shape: [rows, blocks, blockSize / 2] },
      { name: scales, dtype: "F32", shape: [rows, blocks] },
    ];
  }

  /** Rows of a tensor as reals, some at a time. */
  async #strips(
    { name, entry, rows, columns }: Plan,
    visit: (reals: Float32Array, count: number) => void | Promise<void>,
  ): Promise<void> {
    const rowBytes = entry.length / rows;
    const strip = Math.max(Math.floor(STRIP / columns), 1);
    for (let row = 0; row < rows; row += strip) {
      const count = Math.min(strip, rows - row);
      const data = await this.#file.readPart(name, row * rowBytes, count * rowBytes);
      const dtype = entry.dtype as SafetensorsDType;
      await visit(tensorFloats(this.#instance, { dtype, shape: [count, columns], data }), count);
      this.#step(data.length);
    }
  }

  async #write(plan: Plan): Promise<SafetensorReport> {
    const { name, entry, reason } = plan;
    const { shape, length } = entry;
    const { bits, write } = this.#options;
    const base = { name, shape, bytesBefore: length };
    if (reason !== undefined) {
      for (let at = 0; at < length; at += COPY) {
        const data = await this.#file.readPart(name, at, Math.min(COPY, length - at));
        await write(data);
        this.#step(data.length);
      }
      const same = { bits: undefined, sqnr: Number.POSITIVE_INFINITY, cosine: 1 };
      return { ...base, ...same, bytes: length, reason };
    }
    const loss = new Loss();
    let bytes = 0;
    // scales are written after the codes; they are few, so they are held until then
    const scales: Uint8Array[] = [];
    await this.#strips(plan, async (reals, count) => {
      const strip = this.#strip(reals, count, plan.columns);
      loss.add(reals, strip.restored);
      await write(strip.codes);
      bytes += strip.codes.length + strip.scales.length;
      scales.push(strip.scales);
    });
    for (const each of scales) await write(each);
    return { ...base, bits, bytes, ...loss.figures(), reason };
  }

  #strip(
    reals: Float32Array,
    rows: number,
    columns: number,
  ): { codes: Uint8Array; scales: Uint8Array; restored: Float32Array } {
    const instance = this.#instance;
    const { bits, blockSize, method } = this.#options;
    if (bits === 16) {
      const halves = toF16(instance, reals);
      const restored = fromF16(instance, halves);
      return { codes: bytesOf(halves), scales: new Uint8Array(0), restored };
    }
    if (bits === 8) {
      const { values, scale: scales } = quantizeRows(instance, reals, { shape: [rows, columns] });
      const restored = new Float32Array(reals.length);
      for (let i = 0; i < restored.length; i++) {
        restored[i] = values[i] * scales[Math.floor(i / columns)];
      }
      return { codes: bytesOf(values), scales: bytesOf(scales), restored };
    }
    const matrix = quantizeInt4(instance, reals, {
      ...{ shape: [rows, columns], orientation: "out-in", blockSize, method },
      scaleType: "f32",
    });
    const restored = dequantizeInt4(instance, matrix);
    return { codes: matrix.values, scales: bytesOf(matrix.scale), restored };
  }
}

function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
