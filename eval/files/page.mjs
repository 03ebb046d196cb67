/** The figures as a table of docs/onnx.md. */
import { fillFile } from "../../tools/fill.mjs";
import { markdownTable } from "../../tools/table.mjs";

const PAGE = new URL("../../docs/onnx.md", import.meta.url);
const percent = (share) => `${(100 * share).toFixed(1)} %`;
const milliseconds = (time) => `${time.toFixed(0)} ms`;
const linesOf = (count) => (count === undefined ? "" : `, ${count} lines`);
const SAME = "the float model's text";

/** Lines that a default of `sensitive` was chosen on, with the layers that it leaves in float. */
const choiceRow = (sensitive) => [
  `sensitive${sensitive}`,
  (figures) =>
    `the same with \`sensitive: ${sensitive}\`, on ${figures.choiceLines} lines that its default ` +
    `was chosen on; ${figures[`sensitive${sensitive}Kept`]} layers stay in float`,
  percent,
];

/** One row per figure: its key, what it is (or how figures say it), and how it is written. */
const ROWS = [
  ["fileBytes", "the recogniser's file", (size) => `${(size / 1e6).toFixed(1)} MB`],
  [
    "filesLoaded",
    "files that load and run in onnxruntime-node and -web: each model and graph in each way",
    (count, { filesMade }) => `${count} of ${filesMade}`,
  ],
  ["q8Bytes", "recogniser, quantized weights at 8 bits, of their f32 bytes", percent],
  ["q4Bytes", "the same at 4 bits, blocks of 32", percent],
  [
    "staticSameText",
    ({ textLines }) =>
      `recogniser, static int8: ${SAME} on lines that nothing was chosen on${linesOf(textLines)}`,
    percent,
  ],
  ...[1, 0.5, 0.3, 0.2, 0.1].map(choiceRow),
  [
    "planSameText",
    ({ textLines }) =>
      `recogniser, \`plan: { bitsPerWeight: 5 }\` with gptq: ${SAME}${linesOf(textLines)}`,
    percent,
  ],
  [
    "q8SameText",
    ({ textLines }) => `recogniser, 8-bit weights: ${SAME}${linesOf(textLines)}`,
    percent,
  ],
  [
    "gptqOverRtn",
    "recogniser's dense layers at 4 bits: output error of gptq, over round to nearest",
    (ratio) => ratio.toFixed(2),
  ],
  [
    "webFloatMs",
    "recogniser in onnxruntime-web, processor time of a line of 320 columns, float",
    milliseconds,
  ],
  ["webStaticMs", "the same, static int8 with `sensitive: 1`", milliseconds],
  ["webDynamicMs", "the same, dynamic int8", milliseconds],
  ["seconds11MB", "recogniser to 4 bits by search", (seconds) => `${seconds.toFixed(1)} s`],
  [
    "memoryOverFile",
    "the same: most memory beside the process's own, over the file's size",
    (ratio) => ratio.toFixed(1),
  ],
  [
    "checkpointMemoryMiB",
    "a checkpoint of 3 GiB to 8 bits by the command: most memory held",
    (size) => `${size.toFixed(0)} MiB`,
  ],
];

/** Fills the table of docs/onnx.md with the figures that are there. */
export function writePage(figures) {
  const rows = ROWS.filter(([key]) => figures[key] !== undefined).map(([key, what, write]) => [
    typeof what === "string" ? what : what(figures),
    write(figures[key], figures),
  ]);
  fillFile(PAGE, { figures: markdownTable(["figure", "value"], rows) });
}
