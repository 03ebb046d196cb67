// Node for arm64 under qemu's user emulation, on an x64 machine with Debian's apt-get and dpkg. The
// emulator, the C and C++ libraries of arm64 and Node lie in the cache. Nothing is installed.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findProgram } from "./debian.mjs";
import { cache, installPinned } from "./pack.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const home = join(cache, "arm64");
const emulator = join(home, "emulator", "usr", "bin", "qemu-aarch64-static");
const libraries = join(home, "libraries");

/** What Node links to. */
const LIBRARIES = ["libc6", "libstdc++6", "libgcc-s1", "libatomic1"];

const quiet = { stdio: ["ignore", "ignore", "pipe"] };

/** Downloads packages, and unpacks them into a folder. */
function unpackPackages(names, folder, options = []) {
  const downloads = join(home, "downloads", folder === libraries ? "arm64" : "host");
  mkdirSync(downloads, { recursive: true });
  execFileSync("apt-get", [...options, "download", ...names], { ...quiet, cwd: downloads });
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(downloads).filter((each) => each.endsWith(".deb"))) {
    execFileSync("dpkg", ["-x", join(downloads, name), folder], quiet);
  }
}

/** Lists of arm64 packages, apart from those of this machine. */
function listsOfArm64() {
  const lists = join(home, "lists");
  mkdirSync(join(lists, "partial"), { recursive: true });
  const options = ["APT::Architecture=arm64", "APT::Architectures=arm64"];
  options.push(`Dir::State::Lists=${lists}`);
  return options.flatMap((option) => ["-o", option]);
}

function install() {
  const stamp = join(home, "installed");
  if (existsSync(stamp)) return;
  unpackPackages(["qemu-user-static"], join(home, "emulator"));
  const options = listsOfArm64();
  execFileSync("apt-get", [...options, "update"], quiet);
  unpackPackages(LIBRARIES, libraries, options);
  writeFileSync(stamp, "");
}

/** Makes the emulator and Node ready. Returns why not, or undefined. */
export function ensureArm64() {
  if (process.platform !== "linux" || process.arch !== "x64") return "the emulator is for x64";
  for (const name of ["apt-get", "dpkg"]) if (findProgram(name) === undefined) return `no ${name}`;
  try {
    install();
    installPinned(join(here, "arm64"), join(home, "node"), ["--cpu=arm64", "--os=linux"]);
  } catch (error) {
    return `arm64: ${error.stderr?.toString().trim() || error.message}`;
  }
  return undefined;
}

/** The command that runs Node on a processor of qemu's: [program, arguments]. */
export function nodeOn(processor) {
  const node = join(home, "node", "node_modules", "node24", "bin", "node");
  return [emulator, ["-cpu", processor, "-L", libraries, node]];
}
