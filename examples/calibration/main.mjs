/*
 * Which clipping range? Every calibration method on the same data, side by side:
 *
 *   npm run example:calibration                    tables here, pictures in .cache/calibration/
 *   npm run example:calibration -- --bits 4        with fewer bits
 *   npm run example:calibration -- --out pictures  pictures elsewhere
 *
 * The data are the inputs of all dense layers of the sentence encoder, and a tensor with outliers.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createBytelane } from "bytelane";
import {
  createObserver,
  explain,
  explanationPicture,
  explanationTable,
} from "bytelane/calibration";
import { loadCorpus } from "../search/corpus.mjs";
import { createProgress } from "../search/progress.mjs";
import { loadWeights } from "../search/weights.mjs";
import { observeActivations } from "./activations.mjs";
import { createOutlierTensor } from "./outliers.mjs";

const HELP = `Every calibration method on activations of the sentence encoder and on a tensor with outliers.

  --bits N       bits of the quantized values, 2 to 8; default 8
  --sentences N  documents that the encoder reads; default 24
  --out FOLDER   where the pictures go; default .cache/calibration
  --json FILE    also writes the figures as one JSON object`;

const { values: options } = parseArgs({
  options: {
    bits: { type: "string", default: "8" },
    sentences: { type: "string", default: "24" },
    out: {
      type: "string",
      default: fileURLToPath(new URL("../../.cache/calibration", import.meta.url)),
    },
    json: { type: "string" },
    help: { type: "boolean", short: "h", default: false },
  },
});

/** What lies on one side of 0 is quantized asymmetrically, so that no integer is wasted. */
function schemeOf(observer, bits) {
  const { min } = observer.histogram();
  return min >= 0 ? { bits, dtype: "u8", scheme: "asymmetric" } : { bits, scheme: "symmetric" };
}

function integerOf(name, text, least, most) {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new RangeError(`"--${name}" expected an integer in [${least}, ${most}], got ${text}`);
}

/** Signal to noise by data and method, the best of each row marked. */
function overview(explained) {
  const methods = explained[0].explanation.methods.map(({ name }) => name);
  const width = Math.max(...explained.map(({ name }) => name.length));
  console.log(["SQNR in dB".padEnd(width), ...methods].join("  "));
  for (const { name, explanation } of explained) {
    const best = Math.max(...explanation.methods.map(({ sqnr }) => sqnr));
    const cells = explanation.methods.map(({ sqnr, name: method }) =>
      `${sqnr.toFixed(2)}${sqnr === best ? "*" : " "}`.padStart(method.length),
    );
    console.log([name.padEnd(width), ...cells].join("  "));
  }
}

/** Plain data of an explanation: without the counts, which are long. */
function figures({ name, explanation }, picture) {
  const { histogram, entropy, ...rest } = explanation;
  const { min, max, total, step } = histogram;
  const { chosen, threshold, levels, bins } = entropy;
  return {
    name,
    ...{ min, max, total, step, picture },
    ...rest,
    entropy: { chosen, threshold, levels, bins: bins.length },
  };
}

async function run() {
  const bits = integerOf("bits", options.bits, 2, 8);
  const count = integerOf("sentences", options.sentences, 1, 1000);
  const instance = await createBytelane();
  const { documents } = loadCorpus();
  const sentences = Array.from(
    { length: count },
    (_, i) => documents[Math.floor((i * documents.length) / count)],
  );
  const progress = createProgress("encoding", count);
  const observers = observeActivations(instance, loadWeights(), sentences, progress);
  observers.set(
    "with outliers",
    createObserver(instance, { method: "mse" }).observe(createOutlierTensor()),
  );

  const explained = Array.from(observers, ([name, observer]) => ({
    name,
    explanation: explain(observer, schemeOf(observer, bits)),
  }));
  overview(explained);

  mkdirSync(options.out, { recursive: true });
  const results = explained.map((each) => {
    const { name, explanation } = each;
    const title = name.startsWith("with") ? "A tensor with outliers" : `Input of ${name}`;
    const picture = join(options.out, `${name.replaceAll(" ", "-")}.svg`);
    writeFileSync(picture, explanationPicture(explanation, { title }));
    return figures(each, picture);
  });
  for (const { name, explanation } of explained) {
    if (!["layer 0 contract", "layer 1 expand", "with outliers"].includes(name)) continue;
    console.log(`\n${name}: ${explanationTable(explanation)}`);
  }
  console.log(`\n${results.length} pictures in ${options.out}`);
  if (options.json) {
    const result = { command: "example:calibration", bits, sentences: count, results };
    writeFileSync(options.json, `${JSON.stringify(result, null, 1)}\n`);
  }
}

if (options.help) console.log(HELP);
else await run();
