// Arrays that the library returns go where the platform takes bytes.
import { createBytelane, createLinear, fromF16, quantize, toF16 } from "bytelane";
import { packBits, saveLayers } from "bytelane/formats";
import { encodeGgml } from "bytelane/gguf";

const instance = await createBytelane();
const layer = createLinear(instance, { weights: new Float32Array(4), shape: [2, 2] });
const file = saveLayers(instance, { layer });
const x = new Float32Array(2);
const quantized = quantize(instance, x, { scale: 1 });

export const blob: Blob = new Blob([file, quantized, toF16(instance, x)]);
export const inline: Blob = new Blob([quantize(instance, x, { scale: 1 })]);
export const response: Response = new Response(encodeGgml(new Float32Array(32), "Q8_0"));
export const packed: Blob = new Blob([
  packBits(instance, quantized),
  fromF16(instance, toF16(instance, x)),
]);
export const digest: Promise<ArrayBuffer> = crypto.subtle.digest("SHA-256", file);
export const send = () => fetch("https://example.org/", { method: "POST", body: file });

await digest;
instance.dispose();
