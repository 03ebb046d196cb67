/** What the command promises beside its results: files, exit status, messages, progress. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { PassThrough } from "node:stream";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Progress } from "../../src/cli/progress.ts";
import { writeSafetensors } from "../../src/formats/index.ts";
import { decodeModel } from "../../src/onnx/model.ts";
import { createCommand } from "../support/command.ts";
import * as file from "../support/onnx.ts";
import { noise } from "../support/samples.ts";

const { home, at, run, bundle, remove } = createCommand();
const { integer } = noise(12);
const reals = (count: number) => Array.from({ length: count }, () => integer(-999, 999) / 700);
const { concat, field } = file;
const weights = (name = "w") => file.tensor(name, 1, [64, 32], file.floats(reals(2048)));
const product = () => file.node("MatMul", ["x", "w"], ["y"]);
const modelOf = (nodes: file.Bytes[], tensors: file.Bytes[]) => file.model({ nodes, tensors });

beforeAll(async () => {
  await bundle();
  writeFileSync(at("m.onnx"), modelOf([product()], [weights()]));
  const data = new Uint8Array(Float32Array.from(reals(2048)).buffer);
  const tensor = { dtype: "F32", shape: [32, 64], data } as const;
  writeFileSync(at("c.safetensors"), writeSafetensors([["w", tensor]]));
});
afterAll(remove);

const listed = () => readdirSync(home).sort();

it("writes under a temporary name, and leaves the file alone", async () => {
  const before = listed();
  for (const [input, output] of [
    ["m.onnx", "done.onnx"],
    ["c.safetensors", "done.safetensors"],
  ]) {
    expect((await run("quantize", input, "-o", output)).code).toBe(0);
  }
  expect(listed()).toEqual([...before, "done.onnx", "done.safetensors"].sort());
});

it("writes over files with --force alone, and over its input never", async () => {
  for (const [name, other] of [
    ["m.onnx", "old.onnx"],
    ["c.safetensors", "old.safetensors"],
  ]) {
    writeFileSync(at(other), "old");
    const refused = await run("quantize", name, "-o", other);
    expect(refused).toMatchObject({
      code: 1,
      err: `bytelane: ${other}: exists; --force writes over it\n`,
    });
    expect(readFileSync(at(other), "utf8")).toBe("old");
    expect((await run("quantize", name, "-o", other, "--force")).code).toBe(0);
    expect(statSync(at(other)).size).toBeGreaterThan(500);
    const own = await run("quantize", name, "-o", `./${name}`, "--force");
    expect(own.code).toBe(1);
    expect(own.err).toContain("the output would take the place of the input");
  }
});

it("writes large tensors beside the model, and both or none", async () => {
  const args = ["quantize", "m.onnx", "-o", "e.onnx", "--external-data", "e.data"];
  expect((await run(...args)).code).toBe(0);
  const [tensor] = decodeModel(readFileSync(at("e.onnx"))).graph!.initializer;
  expect(tensor.dataLocation).toBe(1);
  expect(statSync(at("e.data")).size).toBeGreaterThanOrEqual(1024);
  // one of them exists: neither is written
  const again = await run("quantize", "m.onnx", "-o", "f.onnx", "--external-data", "e.data");
  expect(again.code).toBe(1);
  expect(listed()).not.toContain("f.onnx");
  expect((await run("quantize", "m.onnx", "-o", "nowhere/f.onnx")).err).toMatch(
    /nowhere: no such folder\n$/,
  );
});

it.each([
  [["quantise", "m.onnx"], /unknown command 'quantise'/],
  [["quantize"], /missing required argument 'file'/],
  [["quantize", "m.onnx", "--bit", "4"], /unknown option '--bit'/],
  [["quantize", "m.onnx", "--block-size", "24"], /Allowed choices are 16, 32, 64, 128, 256/],
  [["quantize", "m.onnx", "--min-elements", "few"], /Expected a number/],
  [["inspect"], /missing required argument 'file'/],
  [["explain", "m.onnx"], /missing required argument 'tensor'/],
  [["compare", "m.onnx"], /missing required argument 'after'/],
])("says how %j is wrong, with status 2", async (args, message) => {
  const { code, out, err } = await run(...args);
  expect({ code, out }).toEqual({ code: 2, out: "" });
  expect(err).toMatch(/^bytelane: /);
  expect(err).toMatch(message);
  expect(err).not.toMatch(/\n {4}at /);
});

it.each([
  [["quantize", "none.onnx"], "none.onnx: no such file"],
  [["quantize", "m.txt"], "m.txt: expected a file called *.onnx, *.safetensors or"],
  [["quantize", "folder.onnx"], "folder.onnx: a folder"],
  [["inspect", "none.safetensors"], "none.safetensors: no such file"],
  [["compare", "m.onnx", "none.onnx"], "none.onnx: no such file"],
  [["quantize", "m.onnx", "--mode", "static"], '"options.calibration" expected a runner'],
  [["quantize", "m.onnx", "--inputs", "none.safetensors"], "none.safetensors: "],
  [["quantize", "c.safetensors", "--method", "gptq"], "gptq needs a graph that can be run"],
  [
    ["quantize", "m.onnx", "--runtime", "no-such-package", "--inputs", "c.safetensors"],
    "npm install",
  ],
])("says in one line why %j failed, with status 1", async (args, message) => {
  mkdirSync(at("folder.onnx"), { recursive: true });
  const before = listed();
  const { code, out, err } = await run(...args);
  expect({ code, out }).toEqual({ code: 1, out: "" });
  expect(err).toMatch(/^bytelane: [^\n]+\n$/);
  expect(err).toContain(message);
  expect(listed()).toEqual(before);
});

const place = (entries: Record<string, string>) =>
  Object.entries(entries).map(([key, value]) => field(13, concat(field(1, key), field(2, value))));
const outside = (location: string, length = "8192") =>
  concat(
    ...[field(1, 64), field(1, 32), field(2, 1), field(8, "w")],
    ...place({ location, length }),
    field(14, 1),
  );
const cycle = [file.node("Add", ["x", "b"], ["a"]), file.node("Relu", ["a"], ["b"])];

it.each([
  ["no ONNX", new TextEncoder().encode("<!doctype html>"), /expected an ONNX/],
  ["a cycle", modelOf(cycle, []), /without cycles, got one through node "a"/],
  [
    "a tensor that lies about its size",
    modelOf([product()], [file.tensor("w", 1, [2 ** 20, 2 ** 12], new Uint8Array(64))]),
    /17179869184 bytes of data for tensor "w", got 64/,
  ],
  ["a tensor twice", modelOf([product()], [weights(), weights()]), /each name once, got "w"/],
  [
    "data outside its folder",
    modelOf([product()], [outside("../secret")]),
    /external data of tensor "w" inside the model's folder, got "\.\.\/secret"/,
  ],
  ["data that are not there", modelOf([product()], [outside("gone.data")]), /gone\.data: no such/],
  [
    "data that are shorter than it says",
    modelOf([product()], [outside("short.data")]),
    /data of tensor "w" within the 16 bytes of "short\.data", got bytes 0 to 8192/,
  ],
])("refuses a model with %s, and writes nothing", async (_, bytes, message) => {
  writeFileSync(at("short.data"), new Uint8Array(16));
  writeFileSync(at("bad.onnx"), bytes);
  const before = listed();
  const { code, out, err } = await run("quantize", "bad.onnx", "-o", "bad.q4.onnx");
  expect({ code, out }).toEqual({ code: 1, out: "" });
  expect(err).toMatch(message);
  expect(err).toMatch(/^bytelane: [^\n]+\n$/);
  expect(listed()).toEqual(before);
});

it("gives its tensors names that the model does not have", async () => {
  const nodes = [product(), file.node("Relu", ["w_q4"], ["w_scales"])];
  const tensor = file.tensor("w_q4", 1, [4], file.floats([1, 2, 3, 4]));
  writeFileSync(at("names.onnx"), modelOf(nodes, [weights(), tensor]));
  expect((await run("quantize", "names.onnx", "-o", "names.q4.onnx")).code).toBe(0);
  const { graph } = decodeModel(readFileSync(at("names.q4.onnx")));
  expect(graph!.node[0].input).toEqual(["x", "w_q4_1", "w_scales_1"]);
});

it("leaves a layer that holds NaN in float, and says so", async () => {
  const values = reals(2048);
  values[77] = Number.NaN;
  const tensor = file.tensor("w", 1, [64, 32], file.floats(values));
  writeFileSync(at("nan.onnx"), modelOf([product()], [tensor]));
  const { code, out } = await run("quantize", "nan.onnx", "-o", "nan.q4.onnx", "--json");
  expect(code).toBe(0);
  expect(JSON.parse(out).tensors[0].reason).toBe("holds NaN or Infinity");
  expect(decodeModel(readFileSync(at("nan.q4.onnx"))).graph!.node[0].opType).toBe("MatMul");
});

it.each([
  [["quantize", "m.onnx", "-o", "j.onnx", "--force"], "tensors"],
  [["quantize", "c.safetensors", "-o", "j.safetensors", "--force"], "tensors"],
  [["inspect", "m.onnx"], "tensors"],
  [["inspect", "c.safetensors", "--no-histograms"], "tensors"],
  [["explain", "c.safetensors", "w"], "methods"],
  [["compare", "c.safetensors", "c.safetensors"], "tensors"],
  [["doctor", "--no-conformance"], "tier"],
])("prints JSON alone for %j --json", async (args, key) => {
  const { code, out, err } = await run(...args, "--json");
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(JSON.parse(out)).toHaveProperty(key);
});

it("shows progress with the time left on a terminal, and nothing elsewhere", () => {
  const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 80 });
  let text = "";
  stream.on("data", (piece) => {
    text += piece;
  });
  const progress = new Progress(stream as never);
  progress.update("calibrate", 1, 4);
  progress.update("quantize", 1, 2);
  progress.stop();
  expect(text).toMatch(/calibrate {2}.*%, .* left/);
  expect(text).toMatch(/quantize {3}.*%, .* left/);
  text = "";
  stream.isTTY = false;
  new Progress(stream as never).update("quantize", 1, 2);
  expect(text).toBe("");
});
