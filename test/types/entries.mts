// Every entry, and an instance of one that is an instance of every other.
import { createBytelane, quantize, type Tensor, tensor, version } from "bytelane";
import { createObserver, type Observer } from "bytelane/calibration";
import { conformance } from "bytelane/conformance";
import { packBits, readSafetensors } from "bytelane/formats";
import { type LoadOptions, createBytelane as load } from "bytelane/load";
import { quantizeOnnx } from "bytelane/onnx";
import { createIndex, recordChanges, saveIndex, topK } from "bytelane/search";
import { matmul, serve } from "bytelane/workers";

const instance = await createBytelane({ tier: "auto" });
const array: Int8Array = quantize(instance, new Float32Array(4), { scale: 1 });
const bytes: Uint8Array = quantize(instance, new Float32Array(4), { dtype: "u8", scale: 1 });
const x: Tensor<"f32"> = tensor(instance, "f32", [2, 2]);
const q: Tensor<"u8"> = quantize(instance, x, { dtype: "u8", scale: 1 });
export const all: readonly number[] = [array.length, bytes.length, q.data.length, q.shape.length];
export const words: string = version;

// @ts-expect-error: integers are not quantized
export const integers = () => quantize(instance, new Int32Array(4), { scale: 1 });
// @ts-expect-error: an element type that does not exist
export const doubles = () => tensor(instance, "f64", [1]);

export const instances = async (options: LoadOptions) => {
  const given = [await load(options), await load({ folder: ".", shared: true })];
  const { createBytelaneSync } = await import("bytelane/module");
  given.push(createBytelaneSync());
  const observers: Observer[] = given.map((each) => createObserver(each, { method: "mse" }));
  const passed: boolean[] = given.map((each) => conformance(each).passed);
  const side = { values: array };
  await matmul(instance, side, side, { m: 2, n: 2, depth: 2 });
  const packed: Uint8Array = packBits(instance, array, { bits: 4 });
  return [observers, passed, packed, readSafetensors(new Uint8Array(8)), serve] as const;
};
// @ts-expect-error: this entry is told where the builds are
export const nowhere = () => load();
// @ts-expect-error: a method that does not exist
export const best = () => createObserver(instance, { method: "best" });

const index = createIndex(instance, { dimensions: 2, vectors: new Float32Array(4).fill(1) });
const journal = recordChanges(index);
index.add(new Float32Array(2).fill(1));
export const files: Uint8Array[] = [saveIndex(index), journal.take()];
export const ids: Float64Array = topK(index, new Float32Array(2), 1).ids;
export const model = (file: Uint8Array): Promise<Uint8Array> =>
  quantizeOnnx(instance, file, { bits: 4 }).then((result) => result.model);

instance.dispose();
