/** What the entries of package.json export, so that a new function is among it by itself. */
import { readFileSync } from "node:fs";

const { exports } = JSON.parse(
  readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
) as { exports: Record<string, { types?: string }> };

/** An entry that imports modules as sources, which few hosts can. */
const APART = ["./module"];
/** One has no arguments, the others take golden files of the library. */
const WITHOUT_ARGUMENTS = ["serve", "decode", "judge", "vectorsOf"];

/** Every exported function of every entry; one that two entries share is there once. */
export async function functionsOf(): Promise<[entry: string, name: string, call: unknown][]> {
  const found = new Map<unknown, [string, string, unknown]>();
  for (const [entry, { types }] of Object.entries(exports)) {
    if (types === undefined || APART.includes(entry)) continue;
    const source = types.replace("./dist/types/", "../../src/").replace(/\.d\.ts$/, ".ts");
    const module = (await import(source)) as Record<string, unknown>;
    for (const [name, value] of Object.entries(module)) {
      if (typeof value !== "function" || WITHOUT_ARGUMENTS.includes(name)) continue;
      // a class is made by a function of the library
      if (/^class /.test(Function.prototype.toString.call(value))) continue;
      if (!found.has(value)) found.set(value, [entry.replace(/^\.\/?/, ""), name, value]);
    }
  }
  return [...found.values()];
}
