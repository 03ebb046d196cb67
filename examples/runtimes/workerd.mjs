import { createBytelaneSync, quantize } from "bytelane";

const lane = createBytelaneSync();

export default {
  fetch() {
    return new Response(quantize(lane, Float32Array.of(-1, 0.5, 3), { scale: 1 / 64 }).join(" "));
  },
};
