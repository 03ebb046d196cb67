/** An app that imports an entry of dist/ and uses nothing of it carries next to nothing of it. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import esbuild from "esbuild";
import { afterAll, expect, it } from "vitest";
import { ENTRIES } from "../../scripts/entries.mjs";
import { faultOfImport } from "../bundlers/keep.mjs";
import { ROOT } from "../support/source-tree.ts";

const app = mkdtempSync(path.join(tmpdir(), "bytelane-imports-"));
mkdirSync(path.join(app, "node_modules"));
symlinkSync(ROOT, path.join(app, "node_modules", "bytelane"));
afterAll(() => rmSync(app, { recursive: true }));

const names = ENTRIES.flatMap(({ name, file }) => (name && file !== "module" ? [name] : []));

it.each([...names, "bytelane/conformance"])('import "%s" costs nothing', async (name) => {
  expect(await faultOfImport(esbuild, name, app)).toBeFalsy();
});

it("a module with work at import is not overlooked", async () => {
  writeFileSync(path.join(app, "table.mjs"), "export const TABLE = Array.from([1, 2]);");
  const fault = await faultOfImport(esbuild, "./table.mjs", app);
  expect(fault).toMatch("./table.mjs expected no call at import, got from(");
});
