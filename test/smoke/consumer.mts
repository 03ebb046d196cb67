// A user's TypeScript: the published declarations must carry these types through.
import { createBytelane, quantize, type Tensor, tensor, topK, type VectorIndex } from "bytelane";

const lane = await createBytelane({ tier: "auto" });
const array: Int8Array = quantize(lane, new Float32Array(4), { scale: 1 });
const bytes: Uint8Array = quantize(lane, new Float32Array(4), { dtype: "u8", scale: 1 });
const x: Tensor<"f32"> = tensor(lane, "f32", [2, 2]);
const q: Tensor<"u8"> = quantize(lane, x, { dtype: "u8", scale: 1 });
export const search = (index: VectorIndex): Int32Array => topK(lane, index, x, 1).indices;
export const all = [array.length, bytes.length, q.data.length, q.shape.length];
// @ts-expect-error: integers are not quantized
quantize(lane, new Int32Array(4), { scale: 1 });
// @ts-expect-error: an element type that does not exist
tensor(lane, "f64", [1]);
