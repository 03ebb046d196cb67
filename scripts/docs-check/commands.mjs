/** Every command of package.json says what it does, and prints no control characters. */

import { run } from "./blocks.mjs";
import { ROOT, read } from "./pages.mjs";

/** Scripts that are other programs' own: their help is not ours. */
const OTHERS = new Set([
  "prepare",
  "lint",
  "format",
  "typecheck",
  "test",
  "test:assembly",
  "test:api",
]);

export async function commandsWithoutHelp(progress) {
  const { scripts } = JSON.parse(read("package.json"));
  const names = Object.keys(scripts).filter((name) => !OTHERS.has(name));
  const faults = [];
  for (const [i, name] of names.entries()) {
    const file = /node ([\w/.-]+\.mjs)/.exec(scripts[name])?.[1];
    // those with an installation of their own are asked where it is there
    const { code, out, err } = await run([file, "--help"], ROOT);
    if (/ERR_MODULE_NOT_FOUND/.test(err)) continue;
    if (code !== 0 || out.trim() === "")
      faults.push(`npm run ${name} -- --help: ${err || "silent"}`);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are looked for
    if (/[\x00-\x08\x0b-\x1f\x7f]/.test(out)) {
      faults.push(`npm run ${name} -- --help prints control characters`);
    }
    progress(i + 1);
  }
  return { count: names.length, faults };
}
