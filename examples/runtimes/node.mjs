import { createBytelane, quantize } from "bytelane";

const instance = await createBytelane();
console.log(quantize(instance, Float32Array.of(-1, 0.5, 3), { scale: 1 / 64 }).join(" "));
