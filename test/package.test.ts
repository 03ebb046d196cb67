/** What is published: the files, their imports, and that the packed tarball works where nothing else is installed. */
import { execFile, execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createBytelaneSync, createLinear, linear, quantize } from "../src/index.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const run = promisify(execFile);
const require = createRequire(import.meta.url);

const home = mkdtempSync(path.join(tmpdir(), "bytelane-"));
const installed = path.join(home, "node_modules", "bytelane");
let packed: { filename: string; files: { path: string; size: number }[] };

beforeAll(() => {
  const text = execFileSync(
    "npm",
    ["pack", "--json", "--ignore-scripts", "--loglevel=error", "--pack-destination", home],
    { cwd: root, encoding: "utf8" },
  );
  [packed] = JSON.parse(text);
  unpack(readFileSync(path.join(home, packed.filename)), installed);
  writeFileSync(path.join(home, "package.json"), '{ "type": "module" }\n');
  for (const name of ["smoke.mjs", "console.mjs", "page.html", "consumer.mts"]) {
    copyFileSync(path.join(root, "test", "smoke", name), path.join(home, name));
  }
});

afterAll(() => {
  rmSync(home, { recursive: true, force: true });
});

/** Files of a ustar archive: blocks of 512 bytes, a header with name and size before each file. */
function unpack(tarball: Buffer, folder: string): void {
  const archive = gunzipSync(tarball);
  const field = (at: number, length: number) =>
    archive.toString("utf8", at, at + length).replace(/\0.*$/s, "");
  for (let at = 0; at + 512 <= archive.length && archive[at] !== 0; ) {
    const size = Number.parseInt(field(at + 124, 12), 8);
    const name = path.join(folder, field(at, 100).replace(/^package\//, ""));
    if (archive[at + 156] === 0x30) {
      mkdirSync(path.dirname(name), { recursive: true });
      writeFileSync(name, archive.subarray(at + 512, at + 512 + size));
    }
    at += 512 + Math.ceil(size / 512) * 512;
  }
}

describe("the tarball", () => {
  it("holds what users need", () => {
    const names = packed.files.map((file) => file.path);
    const wasm = ["simd", "relaxed"].flatMap((tier) =>
      ["wasm", "wat", "wasm.map"].map((ending) => `dist/wasm/bytelane.${tier}.${ending}`),
    );
    expect(names).toEqual(
      expect.arrayContaining([
        ...["package.json", "README.md", "LICENSE", "CHANGELOG.md"],
        ...["dist/index.js", "dist/index.js.map", "dist/types/index.d.ts", ...wasm],
      ]),
    );
  });

  it("holds nothing else", () => {
    const allowed =
      /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|SECURITY\.md|dist\/[\w.-]+\.js(\.map)?|dist\/types\/[\w/.-]+\.d\.ts|dist\/wasm\/bytelane\.[\w.]+\.(wasm|wat|wasm\.map))$/;
    expect(packed.files.map((file) => file.path).filter((name) => !allowed.test(name))).toEqual([]);
  });

  it("points its exports at files that are there", () => {
    const { exports, types } = JSON.parse(
      readFileSync(path.join(installed, "package.json"), "utf8"),
    );
    const targets = (value: unknown): string[] =>
      typeof value === "string" ? [value] : Object.values(value as object).flatMap(targets);
    for (const target of [types, ...targets(exports)]) {
      const at = path.join(installed, target.replace(/\*.*$/, ""));
      expect(existsSync(at), target).toBe(true);
    }
  });
});

describe("the published JavaScript", () => {
  const files = readdirSync(path.join(root, "dist"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".js"))
    .map((name) => [name, readFileSync(path.join(root, "dist", name), "utf8")] as const);

  it.each(files)("%s says nothing of Node, and evaluates no text", (_, text) => {
    expect(text).not.toMatch(/["'`]node:/);
    expect(text).not.toMatch(/\brequire\s*\(/);
    expect(text).not.toMatch(/\beval\s*\(|\bnew Function\b/);
  });

  it.each(files)(
    "%s imports files of its own, and wasm only where that gives a module",
    (name, text) => {
      const given = [...text.matchAll(/\b(?:from|import)\s*["']([^"']*)["']/g)].map(
        (match) => match[1],
      );
      // the vectors stand beside the default entry and use its names
      const beside = name === "conformance.js" ? /^\.\/index\.js$/ : /^\.\/shared-\w+\.js$/;
      const own = given.filter((path) => beside.test(path));
      const wasm = given.filter((path) =>
        /^\.\/wasm\/bytelane\.(simd|relaxed)\.wasm(\?module)?$/.test(path),
      );
      expect([...own, ...wasm].sort()).toEqual(given.sort());
      expect(wasm.length).toBe(/^(workerd|edge-light|source)\.js$/.test(name) ? 2 : 0);
      expect(text).not.toMatch(/\bimport\s*\(/);
    },
  );
});

describe("the published wasm", () => {
  const folder = path.join(root, "dist", "wasm");
  const names = readdirSync(folder).filter((name) => name.endsWith(".wasm"));
  // a threaded build may import one shared memory and nothing else
  it.each(names)("%s imports nothing", async (name) => {
    const module = await WebAssembly.compile(readFileSync(path.join(folder, name)));
    const imports = WebAssembly.Module.imports(module).map(({ kind }) => kind);
    expect(imports).toEqual(name.includes("threads") ? ["memory"] : []);
  });
});

describe("the tarball, installed alone", () => {
  /** The same lines on the sources. */
  function wanted(): { q: number[]; y: number[] } {
    const lane = createBytelaneSync({ tier: "simd" });
    const x = Float32Array.of(-1, 0.5, 2);
    const q = quantize(lane, x, { scale: 2 / 127 });
    const weights = Float32Array.of(1, 0, 0.25, 1, -1, 0.5);
    const y = linear(lane, createLinear(lane, { weights, shape: [3, 2] }), x) as Float32Array;
    return { q: [...q], y: [...y] };
  }

  function expectRight(output: string): void {
    const { tier, ...values } = JSON.parse(output);
    expect(["simd", "relaxed"]).toContain(tier);
    expect(values).toEqual(wanted());
  }

  /** A program on the PATH, or one that npm brought. */
  function find(...names: string[]): string | undefined {
    const folders = [
      ...(process.env.PATH ?? "").split(path.delimiter),
      path.join(root, "node_modules", ".bin"),
    ];
    return folders
      .flatMap((folder) => names.map((name) => path.join(folder, name)))
      .find((file) => existsSync(file));
  }

  const deno = find("deno");
  const chromium = find("chromium", "chromium-browser", "google-chrome");
  const consoles: [string, string, string[]][] = [["Node", process.execPath, []]];
  if (deno) consoles.push(["Deno", deno, ["run", "--no-lock", "--allow-read"]]);

  it.each(consoles)("runs in %s", async (_, program, args) => {
    const { stdout } = await run(program, [...args, "console.mjs"], { cwd: home });
    expectRight(stdout);
  });

  it.each(chromium ? [["Chromium", chromium]] : [])("runs in %s", async (_, program) => {
    const server = createServer((request, response) => {
      const file = path.join(
        home,
        path.normalize(new URL(request.url ?? "/", "http://x").pathname),
      );
      if (!/\.(html|m?js)$/.test(file) || !existsSync(file)) return response.writeHead(404).end();
      const type = file.endsWith(".html") ? "text/html" : "text/javascript";
      return response.writeHead(200, { "content-type": type }).end(readFileSync(file));
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    try {
      const { port } = server.address() as AddressInfo;
      const { stdout } = await run(
        program,
        [
          ...["--headless", "--disable-gpu", "--virtual-time-budget=20000"],
          ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
          ...[`--user-data-dir=${path.join(home, "profile")}`, "--dump-dom"],
          `http://127.0.0.1:${port}/page.html`,
        ],
        { timeout: 50_000 },
      );
      expectRight(/<body>\s*(\{.*\})\s*<\/body>/s.exec(stdout)?.[1] ?? `"${stdout}"`);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  it("gives its types to a strict project that checks declarations too", async () => {
    writeFileSync(
      path.join(home, "tsconfig.json"),
      JSON.stringify({
        compilerOptions: {
          ...{ target: "ES2022", module: "NodeNext", lib: ["ES2022", "DOM", "ESNext.Disposable"] },
          ...{ strict: true, exactOptionalPropertyTypes: true, noEmit: true, types: [] },
        },
        files: ["consumer.mts"],
      }),
    );
    const manifest = require.resolve("typescript/package.json");
    const { bin } = JSON.parse(readFileSync(manifest, "utf8"));
    const tsc = path.join(path.dirname(manifest), bin.tsc);
    const { stdout } = await run(process.execPath, [tsc, "-p", home], { cwd: home }).catch(
      (fault: { stdout: string }) => fault,
    );
    expect(stdout).toBe("");
  });
});
