import { existsSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";

const ROOT = new URL("../../", import.meta.url);
const page = readFileSync(new URL("examples/reading/index.html", ROOT), "utf8");

it("the page that reads a line has at most 150 lines, and its programs exist", () => {
  expect(page.split("\n").length).toBeLessThanOrEqual(150);
  const programs = [...page.matchAll(/from "\/(eval\/[^"]+)"/g)].map(([, name]) => name);
  expect(programs.length).toBe(3);
  for (const name of programs) {
    expect(existsSync(new URL(name, ROOT)), name).toBe(true);
    const text = readFileSync(new URL(name, ROOT), "utf8");
    // a page has the library, and no module of Node
    for (const [, source] of text.matchAll(/from "([^"]+)"/g)) {
      expect(source).toMatch(/^(bytelane|bytelane\/nn|bytelane\/onnx|\.\.?\/.+\.mjs)$/);
    }
  }
});
