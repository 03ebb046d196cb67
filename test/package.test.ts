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
import { createBytelaneSync, createLinear, linear, quantize } from "../src/entries/index.ts";

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

const names = () => packed.files.map((file) => file.path);
const manifest = () => JSON.parse(readFileSync(path.join(installed, "package.json"), "utf8"));

/** The files that a value of "exports" leads to, as the tarball names them. */
function targetsOf(value: unknown): string[] {
  if (typeof value === "string") return [path.posix.normalize(value)];
  return Object.values(value as object).flatMap(targetsOf);
}

/** What a module imports by itself. */
function importsOf(text: string): string[] {
  return [...text.matchAll(/\b(?:from|import)\s*["']([^"']*)["']/g)].map((match) => match[1]);
}

describe("the tarball", () => {
  it("holds what users need", () => {
    expect(names()).toEqual(
      expect.arrayContaining(["package.json", "README.md", "LICENSE", "CHANGELOG.md"]),
    );
  });

  it("holds nothing else", () => {
    const allowed =
      /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|SECURITY\.md|dist\/[\w.-]+\.js(\.map)?|dist\/types\/[\w/.-]+\.d\.ts|dist\/wasm\/bytelane\.[\w.]+\.(wasm|wat|wasm\.map))$/;
    expect(names().filter((name) => !allowed.test(name))).toEqual([]);
  });

  it("holds every build, and the text and the map of each", () => {
    const builds = ["simd", "relaxed"].flatMap((tier) => [
      // the text of a threaded build differs in the line of its memory only
      ...["wasm", "wasm.map", "wat", "threads.wasm", "threads.wasm.map"].map(
        (ending) => `dist/wasm/bytelane.${tier}.${ending}`,
      ),
    ]);
    const wasm = names().filter((name) => name.startsWith("dist/wasm/"));
    expect(wasm.sort()).toEqual(builds.sort());
  });

  it("holds no JavaScript and no declaration that no entry needs", () => {
    const needed = new Set<string>();
    const visit = (name: string) => {
      if (needed.has(name)) return;
      needed.add(name);
      for (const given of importsOf(readFileSync(path.join(installed, name), "utf8"))) {
        if (!/\.[jt]s$/.test(given)) continue;
        const near = path.posix.join(path.posix.dirname(name), given);
        visit(name.endsWith(".d.ts") ? near.replace(/(\.d)?\.[jt]s$/, ".d.ts") : near);
      }
    };
    for (const target of targetsOf(manifest().exports)) if (/\.[jt]s$/.test(target)) visit(target);
    const scripts = names().filter((name) => /\.[jt]s$/.test(name));
    expect(scripts.filter((name) => !needed.has(name))).toEqual([]);
    expect([...needed].filter((name) => !scripts.includes(name))).toEqual([]);
  });

  it("has a map beside every script and every build, with the text of all its sources", () => {
    for (const name of names().filter((each) => /\.(js|wasm)$/.test(each))) {
      const file = path.join(installed, `${name}.map`);
      const { sources, sourcesContent } = JSON.parse(readFileSync(file, "utf8"));
      expect(sources.length, name).toBeGreaterThan(0);
      const texts = sourcesContent.map((text: unknown) => typeof text);
      expect(texts, name).toEqual(sources.map(() => "string"));
      const address = `sourceMappingURL=${path.basename(name)}.map`;
      const bytes = readFileSync(path.join(installed, name));
      if (name.endsWith(".js")) expect(bytes.includes(address), name).toBe(true);
      else expect(bytes.includes("sourceMappingURL"), name).toBe(true);
    }
  });

  it("says nothing of the folder that it was made in", () => {
    const found = names().filter((name) => {
      const bytes = readFileSync(path.join(installed, name));
      return bytes.includes(root) || bytes.includes(tmpdir() + path.sep);
    });
    expect(found).toEqual([]);
  });

  it("brings no dependency, and runs nothing when it is installed", () => {
    const { scripts, ...rest } = manifest();
    for (const kind of [
      "dependencies",
      "peerDependencies",
      "optionalDependencies",
      "bin",
      "gypfile",
    ]) {
      expect(rest).not.toHaveProperty(kind);
    }
    for (const moment of ["preinstall", "install", "postinstall"]) {
      expect(scripts).not.toHaveProperty(moment);
    }
  });

  it("points its exports at files that are there", () => {
    const { exports, types } = manifest();
    for (const target of [types, ...targetsOf(exports)]) {
      const at = path.join(installed, target.replace(/\*.*$/, ""));
      expect(existsSync(at), target).toBe(true);
    }
  });
});

describe("the configuration for JSR", () => {
  const read = (name: string) => JSON.parse(readFileSync(path.join(root, name), "utf8"));
  const { publish, ...jsr } = read("jsr.json");

  it("has the version and the license of the package", () => {
    const { version, license } = read("package.json");
    expect(jsr).toMatchObject({ name: "@bytelane/bytelane", version, license });
  });

  it("exports the sources of entries of the package, under their names", () => {
    const { exports } = read("package.json");
    for (const [entry, source] of Object.entries<string>(jsr.exports)) {
      const declared = source.replace("./src/", "./dist/types/").replace(/\.ts$/, ".d.ts");
      expect(exports[entry]?.types, entry).toBe(declared);
      expect(existsSync(path.join(root, source)), source).toBe(true);
    }
    const missing = Object.keys(exports).filter((entry) => !(entry in jsr.exports));
    // what imports .wasm files, what the build writes vectors into, and what is no module
    expect(missing).toEqual(["./source", "./conformance", "./wasm/*", "./package.json"]);
  });

  it("takes in what the build writes and git does not hold", () => {
    const written = readFileSync(path.join(root, ".gitignore"), "utf8").match(/^src\/.+$/gm);
    expect(publish.exclude).toEqual(expect.arrayContaining(written!.map((name) => `!${name}`)));
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
      const given = importsOf(text);
      // the vectors stand beside other entries and use their names
      const beside =
        name === "conformance.js" ? /^\.\/(index|calibration)\.js$/ : /^\.\/shared-\w+\.js$/;
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
    const instance = createBytelaneSync({ tier: "simd" });
    const x = Float32Array.of(-1, 0.5, 2);
    const q = quantize(instance, x, { scale: 2 / 127 });
    const weights = Float32Array.of(1, 0, 0.25, 1, -1, 0.5);
    const y = linear(createLinear(instance, { weights, shape: [3, 2] }), x) as Float32Array;
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
