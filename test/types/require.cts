// A CommonJS file, for compilers and engines that know require of an ES module.
import { createBytelaneSync, quantize } from "bytelane";

const instance = createBytelaneSync();
export const q: Int8Array = quantize(instance, new Float32Array(1), { scale: 1 });
instance.dispose();
