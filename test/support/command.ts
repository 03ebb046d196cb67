/** The command as its users run it: bundled into one file, in a folder of its own. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** What a run of the command left behind. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Command {
  /** The folder in which it runs. */
  readonly home: string;
  at(name: string): string;
  run(...args: string[]): Promise<Ran>;
  /** Bundles the command into `home`. */
  bundle(): Promise<void>;
  remove(): void;
}

export function createCommand(): Command {
  const home = mkdtempSync(path.join(tmpdir(), "bytelane-cli-"));
  const at = (name: string) => path.join(home, name);
  const js =
    "import { createRequire as from } from 'node:module'; const require = from(import.meta.url);";
  return {
    home,
    at,
    run: (...args) =>
      new Promise((resolve) => {
        execFile(process.execPath, [at("cli.mjs"), ...args], { cwd: home }, (fault, out, err) => {
          resolve({ code: fault ? Number(fault.code) : 0, out, err });
        });
      }),
    async bundle() {
      await build({
        ...{ bundle: true, format: "esm", platform: "node", logLevel: "error", banner: { js } },
        entryPoints: [path.join(root, "src", "entries", "cli.ts")],
        outfile: at("cli.mjs"),
      });
    },
    remove: () => rmSync(home, { recursive: true, force: true }),
  };
}
