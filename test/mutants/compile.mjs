/** The builds with one source file changed. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import asc from "assemblyscript/asc";
import { MODULES } from "../../scripts/modules.mjs";
import { packBuilds } from "../../scripts/wasm-text.mjs";
import { root } from "./bundle.mjs";

const sources = new Map();
function read(name) {
  if (!sources.has(name)) {
    const place = path.join(root, name);
    sources.set(name, existsSync(place) ? readFileSync(place, "utf8") : null);
  }
  return sources.get(name);
}

/** The module that a file of assembly/ is for: one beside the main one, or that. */
export const moduleOf = (file) =>
  MODULES.find(({ entry }) => file.startsWith(path.dirname(entry))) ?? {
    ...{ entry: "assembly/index.ts", base: 0, pieces: "PIECES" },
  };

/**
 * The relaxed and the simd build of a file's module, `{ name, texts }` by the constant that holds
 * them; undefined where they do not compile.
 */
export async function compile(file, text) {
  const { entry, base, pieces } = moduleOf(file);
  const modules = [];
  for (const features of [["simd", "relaxed-simd"], ["simd"]]) {
    let binary;
    const { error } = await asc.main(
      [
        ...(base ? ["--importMemory", "--memoryBase", String(base)] : []),
        ...[entry, "--outFile", "m.wasm", "--runtime", "stub", "--noAssert"],
        ...["--use", "abort=", "--optimizeLevel", "2", "--initialMemory", "1"],
        ...["--disableWarning", "112", "--disableWarning", "201"],
        ...features.flatMap((feature) => ["--enable", feature]),
      ],
      {
        readFile: (name) => (path.posix.normalize(name) === file ? text : read(name)),
        writeFile: (_, contents) => {
          if (typeof contents !== "string") binary = contents;
        },
        listFiles: () => [],
        stderr: { write() {} },
      },
    );
    if (error || !binary) return undefined;
    modules.push(binary);
  }
  return { name: pieces, texts: packBuilds(modules) };
}
