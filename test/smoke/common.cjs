// The same in CommonJS, which requires the ES module.
const { createBytelaneSync, createLinear, linear, quantize } = require("bytelane");

const instance = createBytelaneSync();
const x = Float32Array.of(-1, 0.5, 2);
const q = quantize(instance, x, { scale: 2 / 127 });
const weights = Float32Array.of(1, 0, 0.25, 1, -1, 0.5);
const y = linear(createLinear(instance, { weights, shape: [3, 2] }), x);
console.log(JSON.stringify({ q: [...q], y: [...y] }));
