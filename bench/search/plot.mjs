/** Draws docs/search.svg: recall over milliseconds per query, and over bytes that are read. */
import { readFileSync } from "node:fs";
import { runCommand, writeText } from "../../tools/command.mjs";
import { drawChart } from "../../tools/draw.mjs";
import { readSearchResults } from "./results.mjs";

const help = `
node bench/search/plot.mjs [--from FILE] [--out FILE]

  --from FILE  what "npm run bench:search -- --json FILE" wrote; default: the newest runtime of
               bench/results/search that has this plot
  --out FILE   default docs/search.svg`;

const options = {
  from: { type: "string" },
  out: { type: "string", default: "docs/search.svg" },
};

const COUNT = 117_409;
const DIMENSIONS = 512;
const K = 10;

/** Millions of bytes that a query reads: a plane and its factors, then rows of all bits. */
function megabytesOf({ bits, oversample }) {
  const first = COUNT * ((DIMENSIONS * bits) / 8 + 4);
  return (first + K * oversample * (DIMENSIONS + 4)) / 1e6;
}

/** Recall over one quantity: lines per first look, with the oversampling beside each point. */
function panel(field, title) {
  return {
    ...{ width: 400, height: 320 },
    encoding: {
      x: {
        ...{ field, type: "quantitative", axis: { title } },
        scale: { type: "log", nice: false, padding: 24 },
      },
      y: {
        ...{ field: "recall", type: "quantitative", axis: { title: "recall@10" } },
        scale: { domain: [0.6, 1] },
      },
      color: { field: "series", type: "nominal", scale: { scheme: "tableau10" }, title: null },
    },
    layer: [
      { mark: { type: "line", point: true }, encoding: { order: { field: "oversample" } } },
      {
        mark: { type: "text", dy: 14, fontSize: 9 },
        encoding: { text: { field: "oversample", format: "~" } },
      },
    ],
  };
}

await runCommand({ help, options }, async ({ from, out }) => {
  const kept = readSearchResults().findLast((run) => run.looks.length > 0);
  const { looks, machine, runtime } = from ? JSON.parse(readFileSync(from, "utf8")) : kept;
  const values = looks.map((look) => ({
    ...{ ...look, megabytes: megabytesOf(look) },
    series: `${look.bits} bit${look.bits > 1 ? "s" : ""} scanned`,
  }));
  const where = `${machine.cpu}, ${runtime.name} ${runtime.version}`;
  const subtitle = `117 409 WordNet glosses of 512 dimensions, 250 queries; ${where}`;
  const chart = {
    title: { text: "Recall@10, with oversampling beside each point", subtitle },
    data: { values },
    hconcat: [
      panel("milliseconds", "milliseconds per query, one thread"),
      panel("megabytes", "MB read per query"),
    ],
  };
  writeText(out, await drawChart(chart));
});
