/** The budgets are met, and a budget that is not met is a failure in words. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
// @ts-expect-error a script without declarations
import { exceeded } from "../../scripts/size.mjs";

const script = fileURLToPath(new URL("../../scripts/size.mjs", import.meta.url));
const run = (...args: string[]) => promisify(execFile)(process.execPath, [script, ...args]);

describe("npm run size", () => {
  it("meets every budget, and writes figures", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "bytelane-size-"));
    try {
      const file = path.join(folder, "size.json");
      const { stdout, stderr } = await run("--json", file);
      expect(stderr).toBe("");
      expect(stdout).toMatch(/^\| kB \| raw \| gzip \| brotli \| budget \|\n/);
      const { figures } = JSON.parse(readFileSync(file, "utf8"));
      for (const key of ["quantizeGzip", "linearGzip", "searchGzip", "defaultAndSearchBrotli"]) {
        expect(figures[key], key).toBeGreaterThan(10_000);
      }
      expect(figures.quantizeGzip).toBeLessThanOrEqual(30_000);
      expect(figures.linearGzip).toBeLessThanOrEqual(36_000);
      expect(figures.searchGzip).toBeLessThanOrEqual(40_000);
      expect(figures.convolutionGzip).toBeLessThanOrEqual(50_000);
      expect(figures.defaultBrotli).toBeLessThanOrEqual(46_000);
      expect(figures.nnBrotli).toBeLessThanOrEqual(26_000);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("explains itself", async () => {
    const { stdout } = await run("--help");
    expect(stdout).toContain("--json FILE");
    await expect(run("--jsn")).rejects.toThrow(/Unknown option '--jsn'/);
  });

  it("fails in words where a size is above its budget", () => {
    const sizes = { raw: 9000, gzip: 4001, brotli: 3999 };
    expect(exceeded([{ name: "an app", ...sizes, budget: { brotli: 4 } }])).toEqual([]);
    expect(exceeded([{ name: "an app", ...sizes, budget: { gzip: 4 } }])).toEqual([
      '"an app" expected 4000 bytes in gzip, got 4001',
    ]);
  });
});
