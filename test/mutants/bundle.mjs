/** The test files as bundles that child.mjs runs, with every mutant of src behind a switch. */
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { withSwitches } from "./mutate.mjs";

export const root = fileURLToPath(new URL("../../", import.meta.url));
export const home = path.join(root, "build", "mutants");
const here = fileURLToPath(new URL(".", import.meta.url));

/** Tests that run the sources in this process, within seconds. */
const ROOMS =
  /^(assembly|builds|calibration|cases|core|docs|elementwise|entries|errors|formats|gemm|gguf|int4|linear|nn|params|reference|search)\/[\w-]+\.test\.ts$/;
/** It imports modules as sources, which no bundle can. */
const MODULE_ENTRY = "../../src/entries/module.ts";
/** They bundle, or need a server. */
const SLOW = /^(builds\/(sources|realms)|docs\/readme|entries\/load)\.test\.ts$/;

/** The entries of package.json as imports that a bundle holds: tests import them by their names. */
function withEntries(text) {
  const { exports } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
  const entries = Object.values(exports).flatMap(({ types }) => {
    const source = types?.replace("./dist/types/", "../../src/").replace(/\.d\.ts$/, ".ts");
    return source && source !== MODULE_ENTRY ? [source] : [];
  });
  const imports = entries.map((source) => `${JSON.stringify(source)}: () => import("${source}")`);
  return text.replace("import(source)", `({ ${imports.join(", ")} })[source]()`);
}

export function testFiles() {
  const names = readdirSync(path.join(root, "test"), { recursive: true })
    .map((name) => name.split(path.sep).join("/"))
    .filter((name) => ROOMS.test(name) && !SLOW.test(name));
  return ["mutants/fuzz.ts", ...names.sort()];
}

/** Bundles every test file, its sources with switches for these mutants. */
export async function bundleTests(files, mutants) {
  mkdirSync(home, { recursive: true });
  const byFile = new Map();
  for (const mutant of mutants) {
    const file = path.join(root, mutant.file);
    byFile.set(file, [...(byFile.get(file) ?? []), mutant]);
  }
  const plugin = {
    name: "mutants",
    setup({ onLoad, onResolve }) {
      onResolve({ filter: /^vitest$/ }, () => ({ path: "vitest", namespace: "gathered" }));
      onLoad({ filter: /.*/, namespace: "gathered" }, () => ({
        contents: "module.exports = globalThis.__vitest;",
        loader: "js",
      }));
      onLoad({ filter: /\.(ts|mjs)$/ }, ({ path: file }) => {
        if (file.includes("node_modules")) return undefined;
        let contents = readFileSync(file, "utf8");
        const own = byFile.get(file);
        if (own) contents = withSwitches(contents, own);
        if (/src[\\/]builds[\\/](\w+-)?binaries\.ts$/.test(file)) {
          const [, name] = contents.match(/export const (\w+)/);
          contents = contents.replace(`export const ${name}`, "const built");
          contents += "\nconst other = globalThis.__mutants.pieces;";
          contents += `\nexport const ${name} = other?.name === "${name}" ? other.texts : built;`;
        }
        if (/support[\\/]exports\.ts$/.test(file)) contents = withEntries(contents);
        // files that a test reads lie beside its source
        contents = contents.replaceAll("import.meta.url", JSON.stringify(pathToFileURL(file).href));
        return { contents, loader: file.endsWith(".ts") ? "ts" : "js" };
      });
    },
  };
  await build({
    entryPoints: files.map((file) => ({
      in: path.join(root, "test", file),
      out: file.replace(/\.\w+$/, "").replaceAll("/", "."),
    })),
    ...{ outdir: home, outExtension: { ".js": ".mjs" }, bundle: true, format: "esm" },
    ...{ platform: "node", logLevel: "error", target: "node20", absWorkingDir: here },
    packages: "external",
    plugins: [plugin],
  });
  return files.map((file) =>
    path.join(home, `${file.replace(/\.\w+$/, "").replaceAll("/", ".")}.mjs`),
  );
}
