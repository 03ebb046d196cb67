/**
 * Vectors in a database as BLOBs, ranked where they lie: no index, and no copy of the table. It
 * runs where node:sqlite is (Node 22.13 or later); bun:sqlite has the same calls but one.
 *
 *   node examples/search-sqlite/main.mjs
 */
import { createBytelane } from "bytelane";
import { scanRows } from "bytelane/search";

const SCHEMA = "CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT, vector BLOB)";

/** Notes in a database: a DatabaseSync of node:sqlite, or a Database of bun:sqlite. */
export async function openNotes(db) {
  const instance = await createBytelane();
  db.exec(SCHEMA);
  const insert = db.prepare("INSERT INTO notes (text, vector) VALUES (?, ?)");
  const all = db.prepare("SELECT id, vector FROM notes");
  const one = db.prepare("SELECT text FROM notes WHERE id = ?");

  function* rows() {
    for (const { id, vector } of all.iterate()) yield [id, vector];
  }
  return {
    add(text, vector) {
      insert.run(text, new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength));
    },
    /** The k notes nearest to a vector: text and cosine. */
    find(vector, k) {
      const { ids, scores } = scanRows(instance, rows(), vector, k);
      return Array.from(ids, (id, i) => ({ text: one.get(id).text, score: scores[i] }));
    },
    close: () => instance.dispose(),
  };
}

if (import.meta.filename === process.argv[1]) {
  const { DatabaseSync } = await import("node:sqlite");
  const notes = await openNotes(new DatabaseSync(":memory:"));
  notes.add("east", Float32Array.of(1, 0));
  notes.add("north", Float32Array.of(0, 1));
  notes.add("north-east", Float32Array.of(1, 1));
  console.table(notes.find(Float32Array.of(1, 0.2), 2));
  notes.close();
}
