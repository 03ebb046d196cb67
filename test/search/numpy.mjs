/** The lines of docs/search.md that read a saved index with numpy give its vectors. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { createBytelane } from "bytelane";
import { openIndex } from "bytelane/search";
import { runCommand } from "../../tools/command.mjs";

const help = `
Reads the saved index of test/search/golden with the Python of docs/search.md, and compares.

  node test/search/numpy.mjs [--python PROGRAM]

  --python PROGRAM  one that has numpy, as Debian's python3-numpy brings; default /usr/bin/python3`;

const options = { python: { type: "string", default: "/usr/bin/python3" } };

await runCommand({ help, options }, async ({ python }) => {
  const docs = readFileSync(new URL("../../docs/search.md", import.meta.url), "utf8");
  const [, lines] = /```python\n([^`]+)```/.exec(docs);
  if (lines.trim().split("\n").length > 6)
    throw new Error("docs/search.md has more than six lines");
  const golden = new URL("golden/version-1-8.safetensors", import.meta.url);
  const folder = mkdtempSync(path.join(os.tmpdir(), "numpy-"));
  try {
    writeFileSync(path.join(folder, "index.safetensors"), readFileSync(golden));
    const print = 'print(json.dumps({"ids": t["ids"].tolist(), "vectors": vectors.tolist()}))';
    const text = execFileSync(python, ["-c", `${lines}\n${print}`], { cwd: folder });
    const { ids, vectors } = JSON.parse(text.toString());
    const instance = await createBytelane();
    const index = await openIndex(instance, new Uint8Array(readFileSync(golden)));
    let most = 0;
    ids.forEach((id, i) => {
      const vector = index.get(id);
      const length = Math.hypot(...vector);
      vector.forEach((x, j) => {
        most = Math.max(most, Math.abs(x / length - vectors[i][j] / Math.hypot(...vectors[i])));
      });
    });
    if (ids.length !== index.count || !(most < 1e-6)) {
      throw new Error(`numpy read ${ids.length} vectors, ${most} from those of the index`);
    }
    console.log(`numpy read ${ids.length} vectors as they are`);
    instance.dispose();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
