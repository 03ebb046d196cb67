/** Docstrings of what the entries export: each function shows how it is called. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ts from "typescript-5.9";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const { exports } = JSON.parse(readFileSync(`${root}package.json`, "utf8")) as {
  exports: Record<string, { types?: string } | string>;
};
const entries = Object.values(exports)
  .flatMap((entry) => (typeof entry === "object" && entry.types ? [entry.types] : []))
  .map((types) => root + types.replace("./dist/types/", "src/").replace(".d.ts", ".ts"));

it("every exported function has an example", () => {
  const program = ts.createProgram(entries, {
    ...{ allowImportingTsExtensions: true, noEmit: true, skipLibCheck: true, types: [] },
    target: ts.ScriptTarget.ESNext,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
  });
  const checker = program.getTypeChecker();
  let count = 0;
  const silent = new Set<string>();
  for (const entry of entries) {
    const file = program.getSourceFile(entry);
    const module = file && checker.getSymbolAtLocation(file);
    if (!module) throw new Error(`${entry} is no module`);
    for (const each of checker.getExportsOfModule(module)) {
      const isAlias = (each.flags & ts.SymbolFlags.Alias) !== 0;
      const symbol = isAlias ? checker.getAliasedSymbol(each) : each;
      const declarations = symbol.declarations?.filter(ts.isFunctionDeclaration) ?? [];
      if (declarations.length === 0) continue;
      count++;
      const tags = declarations.flatMap((declaration) => ts.getJSDocTags(declaration));
      if (!tags.some(({ tagName }) => tagName.text === "example")) silent.add(symbol.name);
    }
  }
  expect(count).toBeGreaterThan(100);
  expect([...silent]).toEqual([]);
}, 60_000);
