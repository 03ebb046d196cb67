import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, expect, it } from "vitest";
import { openMemory } from "../../examples/memory/main.mjs";

const folder = mkdtempSync(path.join(os.tmpdir(), "memory-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("remembers what was added before a crash, and drops what was cut short", async () => {
  const log = path.join(folder, "index.journal");
  const first = await openMemory(folder, 4);
  for (let i = 0; i < 5; i++) first.add(Float32Array.of(1, i, 0, 0));
  const whole = readFileSync(log).length;
  first.add(Float32Array.of(0, 0, 1, 0));
  first.close();
  truncateSync(log, readFileSync(log).length - 3);
  const second = await openMemory(folder, 4);
  expect(readFileSync(log).length).toBe(whole);
  expect([...second.find(Float32Array.of(1, 0, 0, 0), 9).ids]).toEqual([0, 1, 2, 3, 4]);
  second.add(Float32Array.of(-1, 0, 0, 0));
  second.compact();
  second.add(Float32Array.of(0, 0, 0, 1));
  second.close();
  appendFileSync(log, Uint8Array.of(1, 2, 3));
  const third = await openMemory(folder, 4);
  expect([...third.find(Float32Array.of(0, 0, 0, 1), 9).ids].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
  third.close();
});
