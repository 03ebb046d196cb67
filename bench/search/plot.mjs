/** Draws docs/search.svg: recall over milliseconds per query, and over bytes. */
import { readFileSync } from "node:fs";
import { runCommand, writeText } from "../../tools/command.mjs";
import { drawChart } from "../../tools/draw.mjs";

const help = `
node bench/search/plot.mjs [--from FILE] [--out FILE]

  --from FILE  what "npm run bench:search -- --json FILE" wrote; default build/search-bench.json
  --out FILE   default docs/search.svg`;

const options = {
  from: { type: "string", default: "build/search-bench.json" },
  out: { type: "string", default: "docs/search.svg" },
};

await runCommand({ help, options }, async ({ from, out }) => {
  const { looks, machine, runtime } = JSON.parse(readFileSync(from, "utf8"));
  const values = looks.map((look) => ({ ...look, series: `${look.bits} bits scanned` }));
  const title = `117 409 WordNet glosses of 512 dimensions, 250 queries; ${machine.cpu}, ${runtime.name} ${runtime.version}`;
  const chart = {
    title: { text: "Recall@10 over time per query", subtitle: title },
    ...{ width: 560, height: 320, data: { values } },
    encoding: {
      x: {
        field: "milliseconds",
        type: "quantitative",
        scale: { type: "log", nice: false },
        axis: { title: "milliseconds per query, one thread" },
      },
      y: {
        field: "recall",
        type: "quantitative",
        scale: { domain: [0.6, 1] },
        axis: { title: "recall@10" },
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
  writeText(out, await drawChart(chart));
});
