/** Every exported function that takes an `out` is among the overlaps. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ts from "typescript-5.9";
import { expect, it } from "vitest";
import { CASES } from "./overlaps.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const { exports } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));

/** The sources of the entries: what the types of package.json are made from. */
const ENTRIES = Object.values(exports as Record<string, { types?: string }>).flatMap(({ types }) =>
  types ? [types.replace("./dist/types/", `${root}src/`).replace(/\.d\.ts$/, ".ts")] : [],
);

/** Whether a parameter of a function has a property `out`. */
function takesOut(checker: ts.TypeChecker, symbol: ts.Symbol): boolean {
  const signatures = checker.getTypeOfSymbol(symbol).getCallSignatures();
  return signatures.some(({ parameters }) =>
    parameters.some((parameter) => {
      const type = checker.getTypeOfSymbol(parameter);
      const bound = checker.getBaseConstraintOfType(type) ?? type;
      const parts = bound.isUnion() ? bound.types : [bound];
      return parts.some((part) => checker.getPropertyOfType(part, "out"));
    }),
  );
}

it("has every function that takes an out", () => {
  const program = ts.createProgram(ENTRIES, {
    ...{ target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext, noEmit: true },
    ...{ allowImportingTsExtensions: true, strict: true, skipLibCheck: true },
    // names and shapes of options need no more
    ...{ lib: ["lib.es5.d.ts"], types: [] },
  });
  const checker = program.getTypeChecker();
  const found = ENTRIES.flatMap((file) => {
    const module = checker.getSymbolAtLocation(program.getSourceFile(file)!)!;
    return checker.getExportsOfModule(module).flatMap((each) => {
      const isAlias = (each.flags & ts.SymbolFlags.Alias) !== 0;
      const symbol = isAlias ? checker.getAliasedSymbol(each) : each;
      if (!(symbol.flags & ts.SymbolFlags.Function) || !takesOut(checker, symbol)) return [];
      return [file.endsWith("/workers.ts") ? `${each.name} on workers` : each.name];
    });
  });
  expect(found.length).toBeGreaterThan(30);
  expect(found.filter((name) => !(name in CASES))).toEqual([]);
}, 120_000);
