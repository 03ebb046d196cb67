/** A calibrated network: float weights in, integers from the first layer to the last. */
import { createBytelane, createLinear, linear } from "bytelane";
import { createObserver, errorBetween } from "bytelane/calibration";

const instance = await createBytelane();

// y = relu(x · W1 + b1) · W2 + b2; a seeded stream stands for your weights and data
let state = 1;
const draw = () => {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  return state / 2 ** 31;
};
const values = (length) => Float32Array.from({ length }, draw);
const layers = [
  { weights: values(64 * 32), shape: [64, 32], bias: values(32), activation: "relu" },
  { weights: values(32 * 10), shape: [32, 10], bias: values(10) },
];
const data = values(200 * 64);

function floatLayer({ weights, shape: [depth, columns], bias, activation }, x) {
  const y = new Float32Array((x.length / depth) * columns);
  for (let i = 0; i < y.length; i++) {
    const [row, column] = [Math.floor(i / columns), i % columns];
    let sum = bias[column];
    for (let k = 0; k < depth; k++) sum += x[row * depth + k] * weights[k * columns + column];
    y[i] = activation === "relu" ? Math.max(0, sum) : sum;
  }
  return y;
}

// watch what goes into each layer: its range, and the mean of each feature, which corrects the bias
const observers = layers.map(({ shape: [features] }) =>
  createObserver(instance, { method: "mse", features }),
);
let x = data;
layers.forEach((layer, i) => {
  observers[i].observe(x);
  x = floatLayer(layer, x);
});
const wanted = x;

// each layer takes the integers that the one before it gives
const inputs = observers.map((each) => each.params({ dtype: "u8", scheme: "asymmetric" }));
const quantized = layers.map((layer, i) =>
  createLinear(instance, {
    ...layer,
    activations: inputs[i],
    ...(inputs[i + 1] && { output: inputs[i + 1] }),
  }),
);
const got = quantized.reduce((rows, layer) => linear(layer, rows), data);

const { sqnr, cosine } = errorBetween(wanted, got);
console.log(`SQNR ${sqnr.toFixed(1)} dB, cosine ${cosine.toFixed(5)}`);
instance.dispose();
