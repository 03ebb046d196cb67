/*
 * Handwritten digits: a trained float32 network in int8 with static calibration, and in int4.
 *
 * int8: the clipping range of each layer's input is observed on training images, so that the whole
 * network runs on integers: pixels are quantized once, each layer hands 8 bits to the next, and
 * only the ten scores are real again.
 *
 * int4: weights in blocks of 32 with a scale each. What the layers' inputs look like on the same
 * images says how rounding errors are best made up for. Activations are quantized row by row.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { createBytelane, createLinear, linear, scope, tensor } from "bytelane";
import { createMoments, createObserver } from "bytelane/calibration";
import { CLASSES, calibrationSet, loadDigits } from "./data.mjs";
import { formatConfusion, forward, judge, loadModel } from "./model.mjs";

/** Scale and zero point of each layer's input: unsigned, since neither ink nor ReLU is negative. */
function calibrate(instance, layers, images) {
  const observers = layers.map(() => createObserver(instance, { method: "minmax" }));
  forward(layers, images, (layer, input) => observers[layer].observe(input));
  return observers.map((observer) => observer.params({ dtype: "u8", scheme: "asymmetric" }));
}

const optionsOf = ({ weights, bias, inputs, outputs, relu }) => ({
  ...{ weights, bias, shape: [inputs, outputs], activation: relu ? "relu" : "none" },
});

/** The network in int8: every layer takes what the one before it gives. */
function quantizeTo8(instance, layers, images) {
  const inputs = calibrate(instance, layers, images);
  return layers.map((layer, i) =>
    createLinear(instance, {
      ...optionsOf(layer),
      input: inputs[i],
      ...(i + 1 < layers.length && { output: inputs[i + 1] }),
    }),
  );
}

/** The network in int4. */
function quantizeTo4(instance, layers, images) {
  const moments = layers.map(({ inputs }) => createMoments(instance, inputs));
  forward(layers, images, (layer, input) => moments[layer].observe(input));
  return layers.map((layer, i) =>
    createLinear(instance, { ...optionsOf(layer), format: "int4", moments: moments[i] }),
  );
}

/** The scores of all images, images × 10. */
function classify(instance, model, images) {
  return scope(instance, () => {
    const pixels = tensor(
      instance,
      "f32",
      [images.length / model[0].inFeatures, model[0].inFeatures],
      images,
    );
    return model.reduce((x, layer) => linear(layer, x), pixels).data.slice();
  });
}

const { values: options } = parseArgs({ options: { json: { type: "string" } } });
const digits = loadDigits();
const { layers, description } = loadModel();
const { images, labels, count } = digits.test;

const instance = await createBytelane();
const calibration = calibrationSet(digits);

const float = {
  ...judge(forward(layers, images), labels, CLASSES),
  bytes: description.parameters * 4,
};
const [int8, int4] = [quantizeTo8, quantizeTo4].map((quantizeTo) => {
  const model = quantizeTo(instance, layers, calibration.images);
  return {
    ...judge(classify(instance, model, images), labels, CLASSES),
    bytes: model.reduce((sum, layer) => sum + layer.byteLength, 0),
  };
});

console.log(
  `network    ${layers.map(({ inputs }) => inputs).join("-")}-${CLASSES}, build ${instance.tier}`,
);
console.log(`images     ${count} to judge, ${calibration.count} others to calibrate`);
for (const [name, { accuracy, bytes }] of Object.entries({ float32: float, int8, int4 })) {
  const lost = (100 * (float.accuracy - accuracy)).toFixed(2);
  const size = bytes.toLocaleString("en").padStart(8);
  console.log(
    `${name.padEnd(8)}   ${(100 * accuracy).toFixed(2)} %   ${size} bytes   lost ${lost} points`,
  );
}
console.log(`\nint8, ${formatConfusion(int8.confusion)}`);
if (options.json) {
  const runtime = `Node ${process.versions.node}`;
  const figures = {
    runtime,
    build: instance.tier,
    calibration: calibration.count,
    float,
    int8,
    int4,
  };
  writeFileSync(options.json, `${JSON.stringify(figures, null, 2)}\n`);
}
instance.dispose();
