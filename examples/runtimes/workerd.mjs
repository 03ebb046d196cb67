import { createBytelaneSync, quantize } from "bytelane";

const instance = createBytelaneSync();

export default {
  fetch() {
    return new Response(
      quantize(instance, Float32Array.of(-1, 0.5, 3), { scale: 1 / 64 }).join(" "),
    );
  },
};
