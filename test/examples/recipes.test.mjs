/** The recipes of examples/ do what they say, in at most 60 lines each. */
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { promisify } from "node:util";
import { build } from "esbuild";
import { describe, expect, it } from "vitest";

const EXAMPLES = new URL("../../examples/", import.meta.url);
const at = (name) => new URL(name, EXAMPLES).pathname;
const run = async (name) => (await promisify(execFile)(process.execPath, [at(name)])).stdout.trim();

describe("programs", () => {
  it("quantize per tensor, channel and row", async () => {
    const lines = (await run("quantize.mjs")).split("\n");
    expect(lines[0]).toContain("[ 0, 0, 0, 64, -127, 32 ]");
    expect(lines[1]).toContain("[ 64, -127, 32, 64, -127, 32 ]");
    expect(lines.at(-1)).toMatch(/^one scale loses 0\.3\d\d at most, 4\d\.\d dB$/);
  });

  it("run a calibrated network on integers", async () => {
    const [, sqnr, cosine] = /^SQNR ([\d.]+) dB, cosine ([\d.]+)$/.exec(
      await run("calibrated-mlp.mjs"),
    );
    expect(Number(sqnr)).toBeGreaterThan(38);
    expect(Number(cosine)).toBeGreaterThan(0.9998);
  });

  it("save an int4 layer and load it", async () => {
    expect(await run("int4-layer.mjs")).toBe("65536 bytes are 9344; loaded alike: true");
  });

  it("multiply with zero points", async () => {
    const [exact, real, codes] = (await run("zero-points.mjs")).split("\n");
    expect(exact).toBe("i32 [ 18207, 26010, 41616, 72828 ]");
    expect(real).toBe("f32 7.00 10.00 16.00 28.00 (exact: 7 10 16 28)");
    expect(codes).toBe("u8  [ 64, 91, 146, 255 ] back [ 7, 10, 16, 28 ]");
  });

  it("requantize as a shift does", async () => {
    expect(await run("integer-network.mjs")).toMatch(/as the shift: true$/);
  });

  it("share the memory with a module of one's own", async () => {
    expect(await run("own-wasm.mjs")).toBe("3.01 -0.38");
  });
});

describe("servers", () => {
  it("rank documents in a Worker, and refuse what is no query", async () => {
    const { default: worker } = await import(at("cloudflare-worker.mjs"));
    const post = (body) => new Request("http://localhost/", { method: "POST", body });
    const response = await worker.fetch(post('{"query": [0.9, 0.1, 0]}'));
    expect((await response.json()).ids).toEqual([0, 3]);
    const refused = await worker.fetch(post('{"query": [1, 2]}'));
    expect(refused.status).toBe(400);
    expect((await refused.json()).error).toMatch(/^"queries" expected /);
  });

  it("quantize what a server is sent", async () => {
    const { default: server } = await import(at("deno-bun.mjs"));
    const body = Float32Array.of(-1, 0.5, 1).buffer;
    const response = await server.fetch(new Request("http://localhost/", { method: "POST", body }));
    expect(new Int8Array(await response.arrayBuffer())).toEqual(Int8Array.of(-127, 64, 127));
    expect(Number(response.headers.get("X-Scale"))).toBe(Math.fround(1 / 127));
    const refused = await server.fetch(
      new Request("http://localhost/", { method: "POST", body: "abc" }),
    );
    expect(refused.status).toBe(400);
  });

  it("answer from both routes of Next.js", async () => {
    for (const kind of ["node", "edge"]) {
      const { GET } = await import(at(`next/app/api/${kind}/route.js`));
      expect(await (await GET()).json(), kind).toEqual([-64, 32, 127]);
    }
  });

  it("bundle the page of Next.js, and its edge route with the wasm as modules", async () => {
    const bundle = (name, conditions, external) =>
      build({
        ...{ entryPoints: [at(name)], bundle: true, write: false, format: "esm" },
        ...{ outdir: "out", jsx: "automatic", conditions, external, logLevel: "silent" },
      });
    await bundle("next/app/page.jsx", ["browser"], ["react", "react/jsx-runtime"]);
    const { outputFiles } = await bundle(
      "next/app/api/edge/route.js",
      ["edge-light"],
      ["*.wasm?module"],
    );
    expect(outputFiles[0].text).toMatch(/bytelane[\w.]*\.wasm/);
  });
});

const linesOf = (name) =>
  readFileSync(new URL(name, EXAMPLES), "utf8").trimEnd().split("\n").length;

it("have at most 60 lines, and the page that reads a line at most 150", () => {
  const names = readdirSync(EXAMPLES, { recursive: true })
    .filter((name) => /\.(mjs|ts|jsx|html)$/.test(name))
    .filter((name) => !name.startsWith("calibration") && !name.startsWith("reading"));
  expect(names.length).toBeGreaterThan(10);
  for (const name of names) {
    expect(linesOf(name), name).toBeLessThanOrEqual(60);
  }
  expect(linesOf("reading/index.html")).toBeLessThanOrEqual(150);
});
