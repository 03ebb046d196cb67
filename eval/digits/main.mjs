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
import { createBytelane, createLinear, linear, scope, tensor } from "bytelane";
import { createInputStats, createObserver } from "bytelane/calibration";
import { runCommand, writeJson } from "../../tools/command.mjs";
import { textTable } from "../../tools/table.mjs";
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
      activations: inputs[i],
      ...(i + 1 < layers.length && { output: inputs[i + 1] }),
    }),
  );
}

/** The network in int4. */
function quantizeTo4(instance, layers, images) {
  const moments = layers.map(({ inputs }) => createInputStats(instance, inputs));
  forward(layers, images, (layer, input) => moments[layer].observe(input));
  return layers.map((layer, i) =>
    createLinear(instance, { ...optionsOf(layer), format: "int4", inputStats: moments[i] }),
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

const HELP = `
Handwritten digits: a trained float32 network in int8 with static calibration, and in int4.

  --json FILE  also writes the figures as one JSON object`;

/** Accuracy and size by name, and the confusion of int8. */
function print({ float, int8, int4 }) {
  const rows = Object.entries({ float32: float, int8, int4 }).map(([name, { accuracy, bytes }]) => [
    name,
    `${(100 * accuracy).toFixed(2)} %`,
    `${bytes.toLocaleString("en")} bytes`,
    `lost ${(100 * (float.accuracy - accuracy)).toFixed(2)} points`,
  ]);
  console.log(textTable(rows));
  console.log(`\nint8, ${formatConfusion(int8.confusion)}`);
}

async function main({ json }) {
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

  const sizes = layers.map(({ inputs }) => inputs).join("-");
  console.log(`network ${sizes}-${CLASSES}, build ${instance.tier}`);
  console.log(`${count} images to judge, ${calibration.count} others to calibrate\n`);
  print({ float, int8, int4 });
  const figures = {};
  for (const [name, each] of Object.entries({ float, int8, int4 })) {
    figures[`${name}.accuracy`] = each.accuracy;
    figures[`${name}.bytes`] = each.bytes;
  }
  writeJson(json, {
    command: "example:digits",
    runtime: `Node ${process.versions.node}`,
    build: instance.tier,
    calibration: calibration.count,
    figures,
    ...{ float, int8, int4 },
  });
  instance.dispose();
}

await runCommand({ help: HELP }, main);
