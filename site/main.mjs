/** Builds the site; HELP says how. */
import { existsSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { runCommand, writeJson } from "../tools/command.mjs";
import { writePages } from "./pages.mjs";
import { writePolicies } from "./policy.mjs";

const HELP = `
Builds the static site into build/site: guides, documents, reference, recipes and playgrounds. The
vectors of the search playground are made once, in some minutes, and kept in build/site-data.

  --no-data    leaves the data of the playgrounds out (search, read)
  --json FILE  also writes { figures } with pages and bytes`;

const root = fileURLToPath(new URL("..", import.meta.url));
const at = (...parts) => path.join(root, "build", ...parts);

async function main({ "no-data": without, json }) {
  if (!existsSync(path.join(root, "dist", "index.js"))) {
    throw new Error('"dist" expected a build: npm run build');
  }
  if (!without) {
    const { prepareWordnet } = await import("./data/wordnet.mjs");
    await prepareWordnet(at("site-data", "wordnet"));
    const { prepareReading } = await import("./data/reading.mjs");
    await prepareReading(at("site-data", "reading"));
  }
  writePages(root, at("site-pages"), at("site-data"));
  const { build } = await import("vitepress");
  await build(path.join(root, "site"));
  const pages = writePolicies(at("site"));
  const bytes = readdirSync(at("site"), { recursive: true })
    .map((name) => statSync(at("site", name)))
    .reduce((sum, entry) => sum + (entry.isFile() ? entry.size : 0), 0);
  writeJson(json, { figures: { pages, bytes } });
  console.log(`${pages} pages in build/site. npm run site:test opens them in browsers.`);
}

await runCommand({ help: HELP, options: { "no-data": { type: "boolean", default: false } } }, main);
