// Debian packages: found, or installed by apt-get where this process may do so.

import { execFileSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

export function findProgram(name) {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {}
  }
  return undefined;
}

const apt = (...args) =>
  execFileSync("apt-get", args, {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });

/** Makes `programs` runnable from `packages`. Returns why not, or undefined. */
export function ensurePrograms(programs, packages) {
  const missing = () => programs.filter((name) => findProgram(name) === undefined);
  if (missing().length === 0) return undefined;
  const wanted = packages.join(" ");
  if (findProgram("apt-get") === undefined) return `no ${missing()}, and no apt-get here`;
  if (process.getuid() !== 0) return `no ${missing()}; as root: apt-get install ${wanted}`;
  const install = () => apt("install", "-y", "-qq", "--no-install-recommends", ...packages);
  try {
    try {
      install();
    } catch {
      apt("update", "-qq");
      install();
    }
  } catch (error) {
    return `apt-get install ${wanted} failed: ${error.message}`;
  }
  return missing().length === 0 ? undefined : `no ${missing()} after apt-get install ${wanted}`;
}
