/** The text of a worker is what its source builds to, and small. */
import { build } from "esbuild";
import { expect, it } from "vitest";
import { WORKER } from "../../src/workers/worker-text.ts";

it("is worker.ts and a call of it, with nothing that a module would have to bring", async () => {
  const { outputFiles } = await build({
    stdin: {
      contents: 'import { serve } from "./workers/worker.ts"; serve();',
      resolveDir: new URL("../../src/", import.meta.url).pathname,
      loader: "ts",
    },
    ...{ bundle: true, format: "iife", target: "es2022", platform: "neutral" },
    write: false,
  });
  expect(WORKER).toBe(outputFiles[0].text.trim());
  expect(WORKER).not.toMatch(/\bimport\b|\brequire\b|\bexport\b/);
  // a stack trace shows names
  expect(WORKER).toMatch(/function run\(exports\d*, task\)/);
  expect(WORKER.length).toBeLessThan(6000);
});
