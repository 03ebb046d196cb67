/**
 * The entry `bytelane/conformance`: src/entries/conformance.ts with the golden vectors in it, as
 * options for esbuild.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));

function goldenSuites() {
  const folder = path.join(root, "test", "golden");
  return readdirSync(folder)
    .filter((name) => name.endsWith(".golden.json"))
    .sort()
    .map((name) => JSON.parse(readFileSync(path.join(folder, name), "utf8")));
}

/** The library stays a module of its own: an instance belongs to the one that made it. */
const beside = {
  name: "the library beside",
  setup(build) {
    for (const [source, entry] of [
      [/^\.\/index\.ts$/, "./index.js"],
      [/^\.\.\/calibration\/index\.ts$/, "./calibration.js"],
    ]) {
      build.onResolve({ filter: source }, () => ({ path: entry, external: true }));
    }
  },
};

export function conformanceEntry() {
  return {
    entryPoints: [path.join(root, "src", "entries", "conformance.ts")],
    outfile: path.join(root, "dist", "conformance.js"),
    define: { GOLDEN: JSON.stringify(goldenSuites()) },
    plugins: [beside],
  };
}
