/** From import to a first result, by two builds of this project in fresh processes in turns. */
import path from "node:path";
import { pathToFileURL } from "node:url";
import { integerOption, runCommand, writeJson } from "../../tools/command.mjs";
import { machine, runtime } from "../machine.mjs";
import { measureStarts } from "../starts.mjs";

const HELP = `
Compares what a start costs with that of an older checkout: the import, an instance, and the first
product 64³. Fresh processes take turns, and the least of each step counts.

  --old DIR    a built checkout to compare with, such as build/old/REVISION of old-and-new.mjs
  --rounds N   processes of each (default 20)
  --json FILE  also writes the figures as one JSON object`;

/** The starter of a checkout, run by its own program: a version knows its own names only. */
function starterOf(label, root) {
  return {
    label,
    module: pathToFileURL(path.join(root, "bench", "contenders", "bytelane.mjs")).href,
    name: "bytelaneStarter",
    child: path.join(root, "bench", "starts-child.mjs"),
  };
}

await runCommand(
  {
    help: HELP,
    options: { old: { type: "string" }, rounds: { type: "string", default: "20" } },
  },
  async ({ old, rounds, json }) => {
    if (old === undefined) throw new Error('"--old" expected a built checkout, got nothing');
    const turns = integerOption("rounds", rounds, 1, 1000);
    const starters = [
      starterOf("old", path.resolve(old)),
      starterOf("new", path.resolve(import.meta.dirname, "../..")),
    ];
    const [before, now] = await measureStarts(starters, { rounds: turns });
    const figures = {
      importOverOld: now.import / before.import,
      createOverOld: now.create / before.create,
      startOverOld: now.total / before.total,
      medianOverOld: now.median / before.median,
    };
    for (const [name, value] of Object.entries(figures)) console.log(name, value.toFixed(2));
    writeJson(json, { figures, machine: machine(), runtime: runtime(), starts: [before, now] });
  },
);
