/**
 * A server for Deno and Bun that quantizes what it is sent: f32 values in, scale and int8 out.
 *
 *   deno serve --allow-read --port 8000 examples/deno-bun.mjs
 *   bun --port 8000 examples/deno-bun.mjs
 */
import { chooseParams, createBytelane, minMax, quantize } from "bytelane";

const instance = await createBytelane();

export default {
  async fetch(request) {
    const bytes = await request.arrayBuffer();
    if (bytes.byteLength === 0 || bytes.byteLength % 4 !== 0) {
      return new Response("expected f32 values", { status: 400 });
    }
    const x = new Float32Array(bytes);
    const params = chooseParams(minMax(instance, x));
    const headers = { "X-Scale": String(params.scale) };
    return new Response(quantize(instance, x, params), { headers });
  },
};
