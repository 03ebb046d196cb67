/** Which clipping range? Every calibration method on the same data, side by side; HELP says how. */
import { join } from "node:path";
import { createBytelane } from "bytelane";
import { createObserver, explain, explanationChart, explanationTable } from "bytelane/calibration";
import { loadCorpus } from "../../eval/search/corpus.mjs";
import { loadWeights } from "../../eval/search/weights.mjs";
import { integerOption, runCommand, writeJson, writeText } from "../../tools/command.mjs";
import { drawChart } from "../../tools/draw.mjs";
import { createProgress } from "../../tools/progress.mjs";
import { textTable } from "../../tools/table.mjs";
import { observeActivations } from "./activations.mjs";
import { createOutlierTensor } from "./outliers.mjs";

const HELP = `
Every calibration method on activations of the sentence encoder and on a tensor with outliers:
tables here, and a chart per tensor as SVG and as a Vega-Lite specification.

  --bits N       bits of the quantized values, 2 to 8; default 8
  --sentences N  documents that the encoder reads; default 24
  --out FOLDER   where the charts go; default build/calibration
  --json FILE    also writes the figures as one JSON object`;

const OPTIONS = {
  bits: { type: "string", default: "8" },
  sentences: { type: "string", default: "24" },
  out: { type: "string", default: join("build", "calibration") },
};

/** What lies on one side of 0 is quantized asymmetrically, so that no integer is wasted. */
function schemeOf(observer, bits) {
  const { min } = observer.histogram();
  return min >= 0 ? { bits, dtype: "u8", scheme: "asymmetric" } : { bits, scheme: "symmetric" };
}

/** Signal to noise by data and method, the best of each row marked. */
function overview(explained) {
  const methods = explained[0].explanation.methods.map(({ name }) => name);
  const rows = explained.map(({ name, explanation }) => {
    const best = Math.max(...explanation.methods.map(({ sqnr }) => sqnr));
    const cells = explanation.methods.map(
      ({ sqnr }) => `${sqnr.toFixed(2)}${sqnr === best ? "*" : " "}`,
    );
    return [name, ...cells];
  });
  console.log(textTable([["SQNR in dB", ...methods], ...rows]));
}

/** Plain data of an explanation: without the counts, which are long. */
function summarize({ name, explanation }, picture) {
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

async function main(options) {
  const bits = integerOption("bits", options.bits, 2, 8);
  const count = integerOption("sentences", options.sentences, 1, 1000);
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

  const results = [];
  for (const each of explained) {
    const { name, explanation } = each;
    const title = name.startsWith("with") ? "A tensor with outliers" : `Input of ${name}`;
    const file = join(options.out, name.replaceAll(" ", "-"));
    const chart = explanationChart(explanation, { title });
    writeText(`${file}.vl.json`, `${JSON.stringify(chart)}\n`);
    writeText(`${file}.svg`, await drawChart(chart));
    results.push(summarize(each, `${file}.svg`));
  }
  for (const { name, explanation } of explained) {
    if (!["layer 0 contract", "layer 1 expand", "with outliers"].includes(name)) continue;
    console.log(`\n${name}: ${explanationTable(explanation)}`);
  }
  console.log(`\n${results.length} charts in ${options.out}`);
  const figures = {};
  for (const { name, explanation } of explained) {
    for (const method of explanation.methods) figures[`${name}, ${method.name}`] = method.sqnr;
  }
  writeJson(options.json, {
    ...{ command: "example:calibration", figures, bits, sentences: count, results },
  });
  instance.dispose();
}

await runCommand({ help: HELP, options: OPTIONS }, main);
