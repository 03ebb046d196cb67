// The packed tarball of this project: what a user installs, and nothing else.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const project = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
export const cache = join(project, ".cache");

function npm(args, cwd) {
  execFileSync("npm", args, { cwd, stdio: ["ignore", "ignore", "inherit"] });
}

/** Builds and packs the project; `given` names a tarball that is taken as it is. */
export function pack(given) {
  if (given !== undefined) {
    const file = resolve(given);
    if (!existsSync(file)) throw new RangeError(`"--tarball" expected a file, got ${given}`);
    return file;
  }
  const folder = join(cache, "pack");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  npm(["run", "build"], project);
  npm(["pack", "--silent", "--ignore-scripts", "--pack-destination", folder], project);
  const { name, version } = JSON.parse(readFileSync(join(project, "package.json"), "utf8"));
  return join(folder, `${name}-${version}.tgz`);
}

/** Unpacks a tarball to `folder`/node_modules/bytelane and returns that path. */
export function unpack(tarball, folder) {
  const home = join(folder, "node_modules", "bytelane");
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  execFileSync("tar", ["-xzf", tarball, "-C", home, "--strip-components=1"]);
  return home;
}

/**
 * Installs a pinned package.json with its lock into a cache folder, without install scripts.
 * The stamp is written last, so that an interrupted install is done again.
 */
export function installPinned(source, folder, flags = []) {
  const lock = readFileSync(join(source, "package-lock.json"), "utf8");
  const stamp = join(folder, "installed.lock.json");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lock) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), readFileSync(join(source, "package.json")));
  writeFileSync(join(folder, "package-lock.json"), lock);
  const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  npm(["ci", ...flags, ...quiet], folder);
  writeFileSync(stamp, lock);
}

/** The file that an exports map gives for a subpath under a set of conditions. */
export function resolveExport(home, subpath, conditions) {
  const { exports } = JSON.parse(readFileSync(join(home, "package.json"), "utf8"));
  const pick = (target) => {
    if (typeof target === "string") return target;
    for (const [condition, next] of Object.entries(target ?? {})) {
      if (condition === "default" || conditions.includes(condition)) {
        const found = pick(next);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  };
  const found = pick(exports[subpath]);
  if (found === undefined) {
    throw new RangeError(`exports expected a target for "${subpath}", got none for ${conditions}`);
  }
  return found;
}
