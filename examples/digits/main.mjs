/*
 * Handwritten digits: a trained float32 network, quantized to int8 with static calibration.
 *
 * The clipping range of each layer's input is observed on training images, so that the whole
 * network runs on integers: pixels are quantized once, each layer hands 8 bits to the next, and
 * only the ten scores are real again.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { createBytelane, createLinear, createObserver, linear, scope, tensor } from "bytelane";
import { CLASSES, calibrationSet, loadDigits } from "./data.mjs";
import { formatConfusion, forward, judge, loadModel } from "./model.mjs";

/** Scale and zero point of each layer's input: unsigned, since neither ink nor ReLU is negative. */
function calibrate(lane, layers, images) {
  const observers = layers.map(() => createObserver(lane, { method: "minmax" }));
  forward(layers, images, (layer, input) => observers[layer].observe(input));
  return observers.map((observer) => observer.params({ dtype: "u8", scheme: "asymmetric" }));
}

/** The network in int8: every layer takes what the one before it gives. */
function quantizeModel(lane, layers, inputs) {
  return layers.map(({ weights, bias, inputs: depth, outputs, relu }, i) =>
    createLinear(lane, {
      ...{ weights, bias, shape: [depth, outputs], activation: relu ? "relu" : "none" },
      input: inputs[i],
      ...(i + 1 < layers.length && { output: inputs[i + 1] }),
    }),
  );
}

/** The scores of all images, images × 10. */
function classify(lane, model, images) {
  return scope(lane, () => {
    const pixels = tensor(
      lane,
      "f32",
      [images.length / model[0].inFeatures, model[0].inFeatures],
      images,
    );
    return model.reduce((x, layer) => linear(lane, layer, x), pixels).data.slice();
  });
}

const { values: options } = parseArgs({ options: { json: { type: "string" } } });
const digits = loadDigits();
const { layers, description } = loadModel();
const { images, labels, count } = digits.test;

const lane = await createBytelane();
const calibration = calibrationSet(digits);
const model = quantizeModel(lane, layers, calibrate(lane, layers, calibration.images));

const float = judge(forward(layers, images), labels, CLASSES);
const int8 = judge(classify(lane, model, images), labels, CLASSES);
const floatBytes = description.parameters * 4;
const int8Bytes = model.reduce((sum, layer) => sum + layer.byteLength, 0);

const percent = (value) => `${(100 * value).toFixed(2)} %`;
console.log(
  `network    ${layers.map(({ inputs }) => inputs).join("-")}-${CLASSES}, build ${lane.tier}`,
);
console.log(`images     ${count} to judge, ${calibration.count} others to calibrate`);
console.log(`float32    ${percent(float.accuracy)}   ${floatBytes.toLocaleString("en")} bytes`);
console.log(`int8       ${percent(int8.accuracy)}   ${int8Bytes.toLocaleString("en")} bytes`);
console.log(`lost       ${(100 * (float.accuracy - int8.accuracy)).toFixed(2)} points\n`);
console.log(`int8, ${formatConfusion(int8.confusion)}`);
if (options.json) {
  const figures = {
    ...{
      runtime: `Node ${process.versions.node}`,
      build: lane.tier,
      calibration: calibration.count,
    },
    float: { ...float, bytes: floatBytes },
    int8: { ...int8, bytes: int8Bytes },
  };
  writeFileSync(options.json, `${JSON.stringify(figures, null, 2)}\n`);
}
lane.dispose();
