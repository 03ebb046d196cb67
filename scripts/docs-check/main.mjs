/** Checks README, guides and documents; HELP says how. */
import { runCommand, writeJson } from "../../tools/command.mjs";
import { createProgress } from "../../tools/progress.mjs";
import { failingBlocks } from "./blocks.mjs";
import { commandsWithoutHelp } from "./commands.mjs";
import { brokenLinks } from "./links.mjs";
import { guides, read } from "./pages.mjs";
import { linkWords, unlinkedWords } from "./words.mjs";

const HELP = `
Checks what a reader is told. Fails, with a line per fault, unless

  every block of code in README.md and site/guide runs: JavaScript in Node, with the output that
    follows it as text; TypeScript compiles; scripts of pages bundle; commands exist
  every link of every page resolves, with its heading
  no word of docs/glossary.md is used in README.md or a guide before its link
  every npm command answers --help, without control characters
  README.md has at most 200 lines

  --link       first makes the first use of each word in each guide a link
  --json FILE  also writes the counts as one JSON object`;

const LINES = 200;

async function main({ json, link }) {
  if (link) linkWords();
  const links = brokenLinks();
  const words = unlinkedWords();
  const progress = createProgress("blocks", 0);
  const blocks = await failingBlocks(progress);
  const commands = await commandsWithoutHelp(progress);
  progress.clear();
  const lines = read("README.md").trimEnd().split("\n").length;
  const faults = [...links.faults, ...words, ...blocks.faults, ...commands.faults];
  if (lines > LINES) faults.push(`README.md has ${lines} lines, of at most ${LINES}`);
  writeJson(json, {
    figures: {
      ...{ pages: guides().length, blocks: blocks.count, links: links.count },
      ...{ commands: commands.count, readmeLines: lines, faults: faults.length },
    },
    faults,
  });
  for (const fault of faults) console.error(fault);
  console.log(
    `${blocks.count} blocks, ${links.count} links and ${commands.count} commands: ` +
      `${faults.length} faults`,
  );
  if (faults.length > 0) process.exitCode = 1;
}

await runCommand({ help: HELP, options: { link: { type: "boolean", default: false } } }, main);
