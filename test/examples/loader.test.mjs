import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";

it("the published module works through AssemblyScript's loader", () => {
  const script = new URL("../../examples/loader/main.mjs", import.meta.url).pathname;
  const printed = execFileSync(process.execPath, [script], { encoding: "utf8" });
  // x · 127, ties to even: −31.75, 31.75 and 63.5
  expect(printed.trim()).toBe("-127 -32 0 32 64 127");
});
