// The app that every runtime runs: the unpacked tarball, the suite, the hosts and the examples in
// one folder of the cache.

import { cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, posix } from "node:path";
import { cache, project, resolveExport, unpack } from "./pack.mjs";

const here = join(project, "test", "runtimes");

/** The entries whose names the suite takes as one. */
const library = [
  ".",
  "./workers",
  "./calibration",
  "./formats",
  "./gguf",
  "./search",
  "./conformance",
];

/** Copies everything into the app folder. Returns its path and the package's folder in it. */
export function prepareApp(tarball) {
  const folder = join(cache, "runtimes", "app");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const home = unpack(tarball, folder);
  for (const name of ["suite.mjs", "digest.mjs", "extremes.mjs", "pooled.mjs"])
    cpSync(join(here, name), join(folder, name));
  cpSync(join(here, "cases"), join(folder, "cases"), { recursive: true });
  cpSync(join(here, "hosts"), folder, { recursive: true });
  // a user's project: the example beside node_modules
  cpSync(join(project, "examples", "runtimes"), join(folder, "examples"), { recursive: true });
  symlinkSync(join("..", "node_modules"), join(folder, "examples", "node_modules"));
  mkdirSync(join(folder, "recipes"));
  for (const name of ["cloudflare-worker.mjs", "deno-bun.mjs"])
    cpSync(join(project, "examples", name), join(folder, "recipes", name));
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
  const target = (subpath, ...conditions) =>
    `./${posix.join("node_modules/bytelane", resolveExport(home, subpath, ["import", ...conditions]))}`;
  const wasm = posix.dirname(target("./wasm/*"));
  // two of its names are those of plain operations
  const named = (module) => (/workers(\.js)?$/.test(module) ? "as workers " : "");
  const write = (name, ...modules) =>
    writeFileSync(
      join(folder, `${name}.mjs`),
      modules.map((module) => `export * ${named(module)}from "${module}";\n`).join(""),
    );
  // every name of the library at once, for whoever looks packages up and for a page, which does not
  write("library", ...library.map((subpath) => posix.join("bytelane", subpath)));
  write("entry", ...library.map((subpath) => target(subpath, "browser")));
  for (const name of ["load", "workers"]) {
    writeFileSync(join(folder, `${name}-entry.mjs`), `export * from "${target(`./${name}`)}";\n`);
  }
  return {
    folder,
    home,
    /** What a worker imports, by name. */
    edgeEntries: Object.fromEntries(
      [...library, "./load", "./module"].map((subpath) => [
        posix.join("bytelane", subpath),
        target(subpath, "workerd", "worker"),
      ]),
    ),
    wasm: `./${wasm}`,
    writeOptions(options) {
      const text = JSON.stringify({ ...options, wasm: `./${wasm}` });
      writeFileSync(join(folder, "options.mjs"), `export default ${text};\n`);
    },
  };
}
