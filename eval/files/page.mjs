/** The figures as a table of docs/onnx.md. */
import { fillFile } from "../../tools/fill.mjs";
import { markdownTable } from "../../tools/table.mjs";

const PAGE = new URL("../../docs/onnx.md", import.meta.url);
const percent = (share) => `${(100 * share).toFixed(1)} %`;

/** One row per figure: its key, what it is, and how it is written. */
const ROWS = [
  [
    "filesLoaded",
    "files that load and run in onnxruntime-node and -web: 6 models and 14 graphs, 7 ways each",
    (count, { filesMade }) => `${count} of ${filesMade}`,
  ],
  ["q8Bytes", "recogniser, quantized weights at 8 bits, of their f32 bytes", percent],
  ["q4Bytes", "the same at 4 bits, blocks of 32", percent],
  [
    "staticSameText",
    "recogniser, static int8: the float model's text, lines that nothing was chosen on",
    percent,
  ],
  [
    "planSameText",
    "recogniser, `plan: { bitsPerWeight: 5 }` with gptq: the float model's text",
    percent,
  ],
  ["q8SameText", "recogniser, 8-bit weights: the float model's text", percent],
  [
    "gptqOverRtn",
    "recogniser's dense layers at 4 bits: output error of gptq, over round to nearest",
    (ratio) => ratio.toFixed(2),
  ],
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
    what,
    write(figures[key], figures),
  ]);
  fillFile(PAGE, { figures: markdownTable(["figure", "value"], rows) });
}
