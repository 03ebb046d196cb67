import { createBytelane, quantize } from "bytelane";

const lane = await createBytelane();
console.log(quantize(lane, Float32Array.of(-1, 0.5, 3), { scale: 1 / 64 }).join(" "));
