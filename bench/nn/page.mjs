/** Fills docs/nn.md with figures that `npm run bench:nn -- --json FILE` wrote. */
import { readFileSync } from "node:fs";
import { runCommand } from "../../tools/command.mjs";
import { fillFile } from "../../tools/fill.mjs";
import { markdownTable } from "../../tools/table.mjs";

const HELP = `
node bench/nn/page.mjs [--from FILES] [--page FILE]

  --from FILES  what bench:nn wrote under one runtime or more, with commas between them;
                default: bench/results/nn/node-20.json and node-24.json
  --page FILE   default docs/nn.md`;

const OPTIONS = {
  from: { type: "string", default: "bench/results/nn/node-20.json,bench/results/nn/node-24.json" },
  page: { type: "string", default: "docs/nn.md" },
};

const ratio = (other, ours) => (other ? `${(other / ours).toFixed(1)} ×` : "–");

/** Of each case under each runtime: µs, over onnxruntime-web, over JavaScript. */
function tableOf(runs) {
  const head = [
    "",
    ...runs.flatMap(({ runtime, tier }) => {
      const name = `${runtime.name} ${runtime.version.split(".")[0]}, ${tier}`;
      return [`${name}: µs`, "onnxruntime-web", "JavaScript"];
    }),
  ];
  const rows = runs[0].rows.map(({ name }, i) => [
    name,
    ...runs.flatMap(({ rows: all }) => {
      const { ours, peer, js } = all[i];
      return [(ours * 1000).toFixed(0), ratio(peer, ours), ratio(js, ours)];
    }),
  ]);
  return markdownTable(head, rows);
}

await runCommand({ help: HELP, options: OPTIONS }, ({ from, page }) => {
  const runs = from.split(",").map((file) => JSON.parse(readFileSync(file, "utf8")));
  const { cpu, vnni, os } = runs[0].machine;
  const where = `One thread of ${cpu}${vnni ? " with VNNI" : ""}, ${os}; \`npm run bench:nn\`.`;
  const words = `${where} How many times as long onnxruntime-web and plain JavaScript take:`;
  const changed = fillFile(page, { "bench:nn": `${words}\n\n${tableOf(runs)}` });
  console.log(`${page}: ${changed ? "filled" : "as it was"}`);
});
