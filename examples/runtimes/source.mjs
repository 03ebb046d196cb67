import { createBytelaneSync, quantize } from "bytelane/source";

const lane = createBytelaneSync();
console.log(quantize(lane, Float32Array.of(-1, 0.5, 3), { scale: 1 / 64 }).join(" "));
