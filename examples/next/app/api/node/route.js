/** A route of Next.js on Node. The instance is made once per process. */
import { createBytelane, quantize } from "bytelane";

const ready = createBytelane();

export async function GET() {
  const values = quantize(await ready, Float32Array.of(-1, 0.5, 3), { scale: 1 / 64 });
  return Response.json([...values]);
}
