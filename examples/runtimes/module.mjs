import { quantize } from "bytelane";
import { createBytelaneSync } from "bytelane/module";

const instance = createBytelaneSync();
console.log(quantize(instance, Float32Array.of(-1, 0.5, 3), { scale: 1 / 64 }).join(" "));
