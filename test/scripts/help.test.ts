/** Every command of package.json says what it takes, and does nothing else when it is asked to. */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { ROOT } from "../support/source-tree.ts";

const { scripts, bin } = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8")) as {
  scripts: Record<string, string>;
  bin: Record<string, string>;
};
/** Programs of the project; those of node_modules have a help of their own. */
const programs = Object.entries(scripts).flatMap(([name, command]) =>
  [...command.matchAll(/\bnode (\S+\.mjs)/g)].map(([, file]) => [`npm run ${name}`, file] as const),
);
const commands = [...programs, ...Object.entries(bin)];

it("are found", () => {
  expect(programs.length).toBeGreaterThan(25);
  expect(Object.keys(bin)).toEqual(["bytelane"]);
});

it.each(commands)("%s -- --help", { timeout: 60_000 }, async (_, file) => {
  const folder = mkdtempSync(path.join(tmpdir(), "bytelane-help-"));
  const built = statSync(path.join(ROOT, "dist", "index.js")).mtimeMs;
  try {
    const program = path.join(ROOT, file);
    // a status that is not 0 is an error
    const run = promisify(execFile)(process.execPath, [program, "--help"], { cwd: folder });
    const { stdout, stderr } = await run;
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^\S/);
    // an option by its name, in a few lines that fit a terminal
    const source = readFileSync(program, "utf8");
    const named = file.endsWith(".mjs") ? optionsIn(source) : ["help", "version"];
    for (const option of named) expect(stdout, option).toContain(`--${option}`);
    const lines = stdout.split("\n");
    expect(lines.length).toBeLessThan(40);
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(100);
    expect(readdirSync(folder)).toEqual([]);
    expect(statSync(path.join(ROOT, "dist", "index.js")).mtimeMs).toBe(built);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** Names of the options that a program declares for `runCommand`. */
function optionsIn(source: string): string[] {
  return [...source.matchAll(/^\s*"?([\w-]+)"?: \{ type: "(?:boolean|string)"/gm)].map(
    ([, name]) => name,
  );
}
