// A user's TypeScript: the published declarations must carry these types through.
import { createBytelane, quantize, type Tensor, tensor, topK, type VectorIndex } from "bytelane";
import { createObserver, type Observer } from "bytelane/calibration";
import { conformance } from "bytelane/conformance";
import { packBits, readSafetensors } from "bytelane/formats";
import { type LoadOptions, createBytelane as load } from "bytelane/load";
import { matmulPooled } from "bytelane/pool";
import { createBytelaneSync } from "bytelane/source";
import { createBytelane as share } from "bytelane/threads";
import { serve } from "bytelane/worker";

const instance = await createBytelane({ tier: "auto" });
const array: Int8Array = quantize(instance, new Float32Array(4), { scale: 1 });
const bytes: Uint8Array = quantize(instance, new Float32Array(4), { dtype: "u8", scale: 1 });
const x: Tensor<"f32"> = tensor(instance, "f32", [2, 2]);
const q: Tensor<"u8"> = quantize(instance, x, { dtype: "u8", scale: 1 });
export const search = (index: VectorIndex): Int32Array => topK(index, x, 1).indices;
export const all = [array.length, bytes.length, q.data.length, q.shape.length];
// @ts-expect-error: integers are not quantized
quantize(instance, new Int32Array(4), { scale: 1 });
// @ts-expect-error: an element type that does not exist
tensor(instance, "f64", [1]);

// an instance of any entry is an instance of every other
export const instances = async (options: LoadOptions) => {
  const given = [await load(options), await share(options), createBytelaneSync()];
  const observers: Observer[] = given.map((each) => createObserver(each, { method: "mse" }));
  const passed: boolean[] = given.map((each) => conformance(each).passed);
  const side = { data: array };
  await matmulPooled(given[0], side, side, { m: 2, n: 2, depth: 2 });
  const packed: Uint8Array = packBits(instance, array, { bits: 4 });
  return [observers, passed, packed, readSafetensors(new Uint8Array(8)), serve] as const;
};
// @ts-expect-error: an entry that is told where the builds are
await load();
// @ts-expect-error: a method that does not exist
createObserver(instance, { method: "best" });
