/** The tensors of a file of either format, one at a time. */
import type { Bytelane } from "../core/instance.ts";
import { openSafetensors, type SafetensorsFile, tensorFloats } from "../formats/index.ts";
import { openOnnx } from "../onnx/index.ts";
import { Failure } from "./failure.ts";
import { formatOf, onnxSource, safetensorsSource } from "./files.ts";

/** A tensor as the command shows it. */
export interface FileTensor {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly number[];
  readonly bytes: number;
}

/** An opened file. */
export interface TensorFile {
  readonly tensors: ReadonlyMap<string, FileTensor>;
  /** The reals of a tensor, restored where it is quantized; undefined for integers. */
  reals(name: string): Promise<Float32Array | undefined>;
}

/** Tensors with more elements are not read into memory at once. */
const LARGEST = 2 ** 29;

export async function openTensors(instance: Bytelane, file: string): Promise<TensorFile> {
  if (formatOf(file) === "onnx") {
    const opened = await openOnnx(await onnxSource(file));
    return { tensors: opened.tensors, reals: async (name) => (await opened.reals(name))?.values };
  }
  const opened = await openSafetensors(await safetensorsSource(file));
  const tensors = new Map<string, FileTensor>();
  for (const [name, { dtype, shape, length }] of opened.tensors) {
    tensors.set(name, { name, type: dtype, shape, bytes: length });
  }
  return { tensors, reals: (name) => readReals(instance, opened, name) };
}

/** The metadata that quantizeSafetensors wrote for a tensor. */
interface Noted {
  readonly bits: number;
  readonly shape: readonly number[];
  readonly blockSize?: number;
}

function notedOf(file: SafetensorsFile, name: string): Noted | undefined {
  try {
    return JSON.parse(file.metadata.get("bytelane") ?? "{}").tensors?.[name];
  } catch {
    return undefined;
  }
}

async function readReals(
  instance: Bytelane,
  file: SafetensorsFile,
  name: string,
): Promise<Float32Array | undefined> {
  const entry = file.tensors.get(name);
  if (!entry) return undefined;
  if (entry.length > LARGEST * 4) throw new Failure(`${name}: too large to be read at once`);
  const tensor = await file.read(name);
  const noted = notedOf(file, name);
  if (noted && noted.bits < 16 && file.tensors.has(`${name}.scales`)) {
    const scales = tensorFloats(instance, await file.read(`${name}.scales`));
    return restore(tensor.data, scales, noted);
  }
  const isReal =
    /^(F|BF)/.test(entry.dtype) && entry.dtype !== "F4" && !entry.dtype.startsWith("F6");
  return isReal ? tensorFloats(instance, tensor) : undefined;
}

function restore(data: Uint8Array, scales: Float32Array, { bits, shape, blockSize = 32 }: Noted) {
  const count = shape.reduce((product, size) => product * size, 1);
  const columns = count / shape[0];
  if (bits === 8) {
    const codes = new Int8Array(data.buffer, data.byteOffset, data.length);
    return Float32Array.from(codes, (code, i) => code * scales[Math.floor(i / columns)]);
  }
  const blocks = Math.ceil(columns / blockSize);
  return Float32Array.from({ length: count }, (_, i) => {
    const [row, k] = [Math.floor(i / columns), i % columns];
    const byte = data[(row * blocks * blockSize + k) >> 1];
    const code = (byte >> (4 * (k & 1))) & 15;
    return (code - 8) * scales[row * blocks + Math.floor(k / blockSize)];
  });
}
