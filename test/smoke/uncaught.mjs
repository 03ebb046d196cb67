import { createBytelane, quantize } from "bytelane";

const instance = await createBytelane();
quantize(instance, new Float32Array(4), { scale: -1 });
