/** Fills docs with what the evaluations of networks wrote by `--json FILE`. */
import { readFileSync } from "node:fs";
import os from "node:os";
import { runCommand } from "../tools/command.mjs";
import { fillFile } from "../tools/fill.mjs";
import { markdownTable } from "../tools/table.mjs";

const HELP = `
node eval/page.mjs --times FILES --accuracy FILES

  --times FILES     what eval:ocr and eval:upscale wrote under one runtime or more, with
                    commas between; for docs/nn.md
  --accuracy FILES  the same, of as many pictures as accuracy needs; for docs/accuracy.md`;

const OPTIONS = {
  times: { type: "string" },
  accuracy: { type: "string" },
};

const ratio = (other, ours) => `${(other / ours).toFixed(2)} ×`;
const megabytes = (bytes) => (bytes / 1e6).toFixed(2);

/** One row per model and runtime. */
function timesOf(runs) {
  const head = [
    ...["", "", "ms", "float32 takes", "int8 takes", "start, ms", "float32's", "int8's"],
  ];
  const rows = runs.flatMap(({ models, runtime, tier }) =>
    models.map(({ name, contenders: { ours, float, static: fixed, dynamic } }) => {
      const int8 = fixed.ms < dynamic.ms ? fixed : dynamic;
      return [
        ...[name, `${runtime.split(".")[0]}, ${tier}`, ours.ms.toFixed(1)],
        ...[ratio(float.ms, ours.ms), ratio(int8.ms, ours.ms)],
        ...[ours, float, int8].map(({ start }) => start.toFixed(0)),
      ];
    }),
  );
  return markdownTable(head, rows);
}

/** Bytes of each model, and the share of each kind of work, of its first run. */
function partsOf(runs) {
  const first = new Map();
  for (const { models } of runs) {
    for (const model of models) if (!first.has(model.name)) first.set(model.name, model);
  }
  const rows = [...first.values()].map(({ name, contenders, shares }) => {
    const { ours, float, static: fixed, dynamic } = contenders;
    const told = Object.entries(shares)
      .filter(([, share]) => share >= 0.01)
      .map(([kind, share]) => `${kind} ${(100 * share).toFixed(0)}`);
    const rest = 1 - Object.values(shares).reduce((sum, share) => sum + share, 0);
    return [
      name,
      ...[ours, float, fixed, dynamic].map(({ bytes }) => megabytes(bytes)),
      told.join(", "),
      (100 * rest).toFixed(1),
    ];
  });
  const head = [
    "MB",
    "ours",
    "float32",
    "static",
    "dynamic",
    "where the time goes, %",
    "outside, %",
  ];
  return markdownTable(head, rows);
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;
const decibels = (value) => `${value.toFixed(1)} dB`;

/** What is judged of each model: a name, and how ours and onnxruntime-web's int8 fare. */
const JUDGED = [
  ["recogniser: lines whose text is float32's", "ocrSameText", percent],
  ["recogniser: cosine of centred logits to float32's", "ocrCosine", (x) => x.toFixed(4)],
  ["detector: pixels that both call text, of those that one does", "detectorOverlap", percent],
  ["upscaler: peak signal to noise, of float32's picture", "upscalePsnr", decibels],
  [
    "the same of onnxruntime-web's static int8, float in a few layers",
    "upscaleStaticPsnr",
    decibels,
  ],
  ["the same of its dynamic int8", "upscaleDynamicPsnr", decibels],
  ["upscaler: bytes at most 1 apart from float32's", "upscaleNearPixels", percent],
  ["upscaler: peak signal to noise, of the original picture", "upscaleOriginal", decibels],
  ["the same of float32", "upscaleFloatOriginal", decibels],
];

function accuracyOf(runs) {
  const figures = Object.assign({}, ...runs.map((run) => run.figures));
  const rows = JUDGED.filter(([, name]) => figures[name] !== undefined).map(
    ([label, name, show]) => [label, show(figures[name])],
  );
  return markdownTable(["", ""], rows);
}

const readRuns = (files) => files.split(",").map((file) => JSON.parse(readFileSync(file, "utf8")));

function fillPage(page, name, body) {
  const changed = fillFile(page, { [name]: body });
  console.log(`${page}: ${changed ? "filled" : "as it was"}`);
}

await runCommand({ help: HELP, options: OPTIONS }, ({ times, accuracy }) => {
  if (times) {
    const runs = readRuns(times);
    const cpu = os.cpus()[0].model.trim();
    const words =
      `One thread of ${cpu}. How many times as long onnxruntime-web takes, with float32 and with ` +
      "the faster of static and dynamic int8; the time from the file to the first result. " +
      "onnxruntime-web's first session, the recogniser's float32, also starts its module.";
    fillPage("docs/nn.md", "eval:networks", `${words}\n\n${timesOf(runs)}\n\n${partsOf(runs)}`);
  }
  if (accuracy) fillPage("docs/accuracy.md", "networks", accuracyOf(readRuns(accuracy)));
});
