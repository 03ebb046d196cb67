/**
 * The command as its users run it: a process, its output, its exit status, and the files that are
 * there afterwards.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readSafetensors, writeSafetensors } from "../../src/formats/index.ts";
import { decodeModel } from "../../src/onnx/model.ts";
import { createCommand } from "../support/command.ts";
import * as file from "../support/onnx.ts";
import { noise } from "../support/samples.ts";

const { home, at, run: bytelane, bundle, remove } = createCommand();

beforeAll(async () => {
  await bundle();
  const { integer } = noise(11);
  const reals = (count: number) => Array.from({ length: count }, () => integer(-999, 999) / 700);
  writeFileSync(
    at("m.onnx"),
    file.model({
      nodes: [file.node("MatMul", ["x", "w"], ["h"]), file.node("Add", ["h", "b"], ["y"])],
      tensors: [
        file.tensor("w", 1, [64, 32], file.floats(reals(2048))),
        file.tensor("b", 1, [32], file.floats(reals(32))),
      ],
    }),
  );
  const data = new Uint8Array(Float32Array.from(reals(2048)).buffer);
  writeFileSync(
    at("c.safetensors"),
    writeSafetensors([["w", { dtype: "F32", shape: [32, 64], data }]]),
  );
});
afterAll(remove);

it("shows help, and says what is wrong in one line and status 2", async () => {
  const help = await bytelane("--help");
  expect(help.code).toBe(0);
  for (const name of ["quantize", "inspect", "explain", "compare", "doctor"])
    expect(help.out).toContain(name);
  const wrong = await bytelane("quantize", "m.onnx", "--bits", "5");
  expect(wrong.code).toBe(2);
  expect(wrong.err).toMatch(
    /^bytelane: option '--bits <bits>' argument '5' is invalid. Allowed choices are 4, 8, 16/,
  );
  expect(wrong.err).not.toMatch(/\n {4}at /);
});

it("quantizes a model, refuses to do it twice, and compares", async () => {
  const done = await bytelane("quantize", "m.onnx", "-o", "q.onnx", "--json");
  expect(done.err).toBe("");
  expect(done.code).toBe(0);
  const report = JSON.parse(done.out);
  expect(report.output).toBe("q.onnx");
  expect(report.tensors[0]).toMatchObject({
    name: "w",
    stored: "MatMulNBits 4 bits, blocks of 32",
  });
  expect(report.tensors[1].reason).toBe("fewer than 1024 elements");
  const bytes = readFileSync(at("q.onnx"));
  expect(decodeModel(bytes).graph!.node[0].opType).toBe("MatMulNBits");
  const again = await bytelane("quantize", "m.onnx", "-o", "q.onnx");
  expect(again).toMatchObject({
    code: 1,
    err: "bytelane: q.onnx: exists; --force writes over it\n",
  });
  const forced = await bytelane("quantize", "m.onnx", "-o", "q.onnx", "--bits", "8", "--force");
  expect(forced.out).toMatch(/q\.onnx: .* to .* \(\d+\.\d %\) in/);
  const compared = await bytelane("compare", "m.onnx", "q.onnx", "--json");
  const { tensors } = JSON.parse(compared.out);
  expect(tensors.map(({ name }: { name: string }) => name)).toEqual(["w", "b"]);
  expect(tensors[0].sqnr).toBeGreaterThan(38);
  expect(tensors[1].sqnr).toBe("Infinity");
  expect((await bytelane("compare", "m.onnx", "q.onnx", "--min-sqnr", "60")).code).toBe(1);
});

it("quantizes a checkpoint", async () => {
  const done = await bytelane("quantize", "c.safetensors", "--bits", "4");
  expect(done.code).toBe(0);
  const { tensors } = readSafetensors(readFileSync(at("c.q4.safetensors")));
  expect([...tensors.keys()].sort()).toEqual(["w", "w.scales"]);
  const compared = await bytelane("compare", "c.safetensors", "c.q4.safetensors", "--json");
  expect(JSON.parse(compared.out).tensors[0].sqnr).toBeGreaterThan(15);
  expect((await bytelane("quantize", "c.safetensors", "--mode", "static")).code).toBe(1);
});

it("inspects and explains", async () => {
  const inspected = await bytelane("inspect", "m.onnx");
  expect(inspected.out).toMatch(
    /^w\s+FLOAT\s+64 × 32\s+8192\s+-\d\.\d+\s+\d\.\d+\s+[▁▂▃▄▅▆▇█]{16}$/m,
  );
  const explained = await bytelane("explain", "c.safetensors", "w", "--bits", "4", "--json");
  expect(JSON.parse(explained.out).methods.length).toBeGreaterThan(4);
  const wrong = await bytelane("explain", "m.onnx", "v");
  expect(wrong).toMatchObject({ code: 1, err: 'bytelane: m.onnx: no tensor "v"\n' });
});

it("leaves nothing behind when a file is damaged", async () => {
  writeFileSync(at("bad.onnx"), readFileSync(at("m.onnx")).subarray(0, 5000));
  writeFileSync(at("bad.safetensors"), readFileSync(at("c.safetensors")).subarray(0, 5000));
  const before = readdirSync(home).length;
  for (const name of ["bad.onnx", "bad.safetensors"]) {
    const { code, err } = await bytelane("quantize", name, "-o", "out.onnx");
    expect(code).toBe(1);
    expect(err).toMatch(/^bytelane: "(source|file)" expected .*\n$/);
  }
  expect(readdirSync(home).length).toBe(before);
});
