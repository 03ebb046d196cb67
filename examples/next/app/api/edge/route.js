/** The same on the edge runtime, whose entry imports the wasm as a module. */
import { createBytelaneSync, quantize } from "bytelane";

export const runtime = "edge";

const instance = createBytelaneSync();

export function GET() {
  const values = quantize(instance, Float32Array.of(-1, 0.5, 3), { scale: 1 / 64 });
  return Response.json([...values]);
}
