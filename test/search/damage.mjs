/** Saved indexes and journals that are mutated or cut short: each is refused, or does no harm. */
import { readFileSync } from "node:fs";
import { createBytelane } from "bytelane";
import * as search from "bytelane/search";
import { integerOption, runCommand, writeJson } from "../../tools/command.mjs";
import { createProgress } from "../../tools/progress.mjs";
import { createRandom } from "../../tools/random.mjs";

const help = `
Opens damaged files of test/search/golden, searches what opens, and applies damaged journals.

  node test/search/damage.mjs [--files N] [--seed N] [--json FILE]

  --files N    how many; default 100000
  --seed N     default 1
  --json FILE  also writes { figures: { damagedFiles, refusedFiles, damageFaults } }`;

const options = {
  files: { type: "string", default: "100000" },
  seed: { type: "string", default: "1" },
};

const read = (name) => new Uint8Array(readFileSync(new URL(`golden/${name}`, import.meta.url)));
/** Memory that may be reserved: a file of some kB has no reason for more. */
const MOST_RESERVED = 2 ** 24;

await runCommand({ help, options }, async (values) => {
  const files = integerOption("files", values.files, 1, 10_000_000);
  const random = createRandom(integerOption("seed", values.seed, 0, 2 ** 31));
  const integer = (end) => Math.floor(random() * end);
  const damage = (bytes) => {
    const kind = integer(4);
    if (kind === 0) return bytes.slice(0, integer(bytes.length));
    const damaged = bytes.slice();
    // the head has more to get wrong than the codes
    const end = kind === 1 ? bytes.length : Math.min(1000, bytes.length);
    for (let n = 1 + integer(3); n > 0; n--) damaged[integer(end)] = integer(256);
    return damaged;
  };
  const instance = await createBytelane();
  const used = instance.bytesUsed;
  const snapshots = [8, 4, 1].map((bits) => read(`version-1-${bits}.safetensors`));
  const journals = [8, 4, 1].map((bits) => read(`version-1-${bits}.journal`));
  const progress = createProgress("damaged files", files);
  let refused = 0;
  let faults = 0;
  const refuse = (fault) => {
    refused++;
    if (!/^"(file|source|journal|memory)/.test(fault.message)) {
      faults++;
      console.error(fault.message);
    }
  };
  for (let i = 0; i < files; i++) {
    const which = integer(3);
    const isJournal = i % 4 === 3;
    const snapshot = isJournal ? snapshots[which] : damage(snapshots[which]);
    const index = await search.openIndex(instance, snapshot).catch(refuse);
    if (index) {
      try {
        if (isJournal) search.applyJournal(index, damage(journals[which]));
      } catch (fault) {
        refuse(fault);
      }
      const query = new Float32Array(index.dimensions).fill(1);
      const { scores } = search.topK(index, query, 5);
      if (scores.some(Number.isNaN)) faults++;
      index.dispose();
    }
    if (instance.bytesUsed !== used || instance.bytesReserved > MOST_RESERVED) faults++;
    progress(i + 1);
  }
  progress.clear();
  console.log(`${files} damaged files: ${refused} refused, ${faults} did harm`);
  const figures = { damagedFiles: files, refusedFiles: refused, damageFaults: faults };
  writeJson(values.json, { figures });
  if (faults > 0) throw new Error("damaged files did harm");
});
