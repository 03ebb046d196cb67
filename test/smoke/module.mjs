// A user's first lines, as an ES module. test/package.test.ts runs them on the packed tarball.
import { createBytelane, createLinear, linear, quantize } from "bytelane";

const instance = await createBytelane();
const x = Float32Array.of(-1, 0.5, 2);
const q = quantize(instance, x, { scale: 2 / 127 });
const weights = Float32Array.of(1, 0, 0.25, 1, -1, 0.5);
const y = linear(createLinear(instance, { weights, shape: [3, 2] }), x);
console.log(JSON.stringify({ q: [...q], y: [...y] }));
