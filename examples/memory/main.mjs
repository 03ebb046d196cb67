/**
 * A memory of notes that is appended to and survives a crash: a snapshot of the index, and a
 * journal of what has changed since.
 *
 *   node examples/memory/main.mjs [FOLDER]
 */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { createBytelane } from "bytelane";
import * as search from "bytelane/search";

/** Opens or begins a memory in a folder. */
export async function openMemory(folder, dimensions) {
  const snapshot = path.join(folder, "index.safetensors");
  const log = path.join(folder, "index.journal");
  mkdirSync(folder, { recursive: true });
  const instance = await createBytelane();
  const index = existsSync(snapshot)
    ? await search.openIndex(instance, readFileSync(snapshot))
    : search.createIndex(instance, { dimensions });
  // what a crash has cut short goes; what is whole counts
  if (existsSync(log)) truncateSync(log, search.applyJournal(index, readFileSync(log)));
  if (!existsSync(log) || readFileSync(log).length === 0) writeFileSync(log, search.JOURNAL_START);
  const journal = search.recordChanges(index);
  return {
    /** Adds a vector, and returns its id once it is on the disk. */
    add(vector) {
      const [id] = index.add(vector);
      appendFileSync(log, journal.take());
      return id;
    },
    find: (query, k) => search.topK(index, query, k),
    /** A new snapshot; the journal begins again only once it is there. */
    compact() {
      writeFileSync(`${snapshot}.new`, search.saveIndex(index));
      renameSync(`${snapshot}.new`, snapshot);
      writeFileSync(log, search.JOURNAL_START);
    },
    close: () => instance.dispose(),
  };
}

if (import.meta.filename === process.argv[1]) {
  const memory = await openMemory(process.argv[2] ?? "build/memory", 4);
  memory.add(Float32Array.of(Math.random(), Math.random(), Math.random(), Math.random()));
  console.log(memory.find(Float32Array.of(1, 0, 0, 0), 3));
  memory.close();
}
