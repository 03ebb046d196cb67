/**
 * What is published: the files, their imports, and that the packed tarball works where nothing else
 * is installed.
 */
import { execFile, execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
// @ts-expect-error a script without declarations
import { CONFORMANCE, ENTRIES } from "../scripts/entries.mjs";
// @ts-expect-error a script without declarations
import { MODULES as BESIDE } from "../scripts/modules.mjs";
import {
  createBytelaneSync,
  createLinear,
  linear,
  quantize,
  version,
} from "../src/entries/index.ts";

/** The modules beside the main one, by name. */
const MODULES = (BESIDE as readonly { name: string }[]).map(({ name }) => name);

const root = fileURLToPath(new URL("..", import.meta.url));
const run = promisify(execFile);

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
  writeFileSync(path.join(home, "package.json"), '{ "private": true, "type": "module" }\n');
  const quiet = ["--offline", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  execFileSync("npm", ["install", ...quiet, `./${packed.filename}`], { cwd: home });
  cpSync(path.join(root, "test", "smoke"), home, { recursive: true });
});

afterAll(() => {
  rmSync(home, { recursive: true, force: true });
});

const names = () => packed.files.map((file) => file.path);
const manifest = () => JSON.parse(readFileSync(path.join(installed, "package.json"), "utf8"));

/** The files that a value of "exports" leads to, as the tarball names them. */
function targetsOf(value: unknown): string[] {
  if (typeof value === "string") return [path.posix.normalize(value)];
  return Object.values(value as object).flatMap(targetsOf);
}

/** What a module imports by itself. */
function importsOf(text: string): string[] {
  const statements = /^(?:import|export)\s(?:[^"';]*?\bfrom\s)?\s*["']([^"']+)["']/gm;
  return [...text.matchAll(statements)].map((match) => match[1]);
}

describe("the tarball", () => {
  it("holds what users need", () => {
    expect(names()).toEqual(
      expect.arrayContaining(["package.json", "README.md", "LICENSE", "CHANGELOG.md"]),
    );
  });

  it("holds nothing else", () => {
    const allowed =
      /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|SECURITY\.md|dist\/[\w.-]+\.js(\.map)?|dist\/third-party-licenses\.txt|dist\/types\/[\w/.-]+\.d\.ts|dist\/wasm\/bytelane\.[\w.]+\.(wasm|wat|wasm\.map))$/;
    expect(names().filter((name) => !allowed.test(name))).toEqual([]);
  });

  it("holds every build, and the text and the map of each", () => {
    const builds = ["simd", "relaxed"].flatMap((tier) => [
      // the text of a threaded build differs in the line of its memory only
      ...["wasm", "wasm.map", "wat", "threads.wasm", "threads.wasm.map"].map(
        (ending) => `dist/wasm/bytelane.${tier}.${ending}`,
      ),
      ...MODULES.flatMap((name) =>
        ["wasm", "wasm.map", "wat"].map((ending) => `dist/wasm/bytelane.${name}.${tier}.${ending}`),
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
    const { exports, bin } = manifest();
    for (const target of targetsOf([exports, bin])) if (/\.[jt]s$/.test(target)) visit(target);
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
    for (const kind of ["dependencies", "peerDependencies", "optionalDependencies", "gypfile"]) {
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

const read = (name: string) => JSON.parse(readFileSync(path.join(root, name), "utf8"));

describe("the entries", () => {
  const { exports, version: published } = read("package.json");

  it("are those that the build script bundles, from the sources whose types they have", () => {
    const table: { name?: string; file?: string; source: string }[] = [...ENTRIES, CONFORMANCE];
    const named = table.filter(({ name }) => name);
    const specifiers = named.map(({ name }) => name!.replace(/^bytelane/, "."));
    const declared = Object.keys(exports).filter((key) => exports[key].types);
    expect(specifiers.sort()).toEqual(declared.sort());
    for (const { name, file = "conformance", source } of named) {
      const entry = exports[name!.replace(/^bytelane/, ".")];
      expect(entry.types, name).toBe(`./dist/types/${source.replace(/\.ts$/, ".d.ts")}`);
      expect(entry.default, name).toBe(`./dist/${file}.js`);
    }
  });

  it("of one platform export the same names as the default entry", () => {
    const namesOf = (file: string) => {
      const text = readFileSync(path.join(installed, "dist", file), "utf8");
      const [list] = text.match(/export \{[^}]*\};?\s*(\/\/.*\s*)?$/) ?? [""];
      return [...list.matchAll(/(\w+),?\n/g)].map((match) => match[1]).sort();
    };
    const wanted = namesOf("index.js");
    expect(wanted).toContain("createBytelaneSync");
    expect(namesOf("workerd.js")).toEqual(wanted);
    expect(namesOf("edge-light.js")).toEqual(wanted);
  });

  it("but the default one export no operations", async () => {
    const all: Record<string, unknown> = await import("../src/entries/index.ts");
    for (const name of ["load", "workers"]) {
      const own: Record<string, unknown> = await import(`../src/entries/${name}.ts`);
      const again = Object.keys(own).filter((each) => each in all && own[each] === all[each]);
      expect(again, name).toEqual([]);
    }
  });

  it("say their version", () => {
    expect(version).toBe(published);
  });
});

describe("the configuration for JSR", () => {
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
    // what imports .wasm files, bundles a library, has vectors from the build, and what is no
    // module
    expect(missing).toEqual(["./module", "./onnx", "./conformance", "./wasm/*", "./package.json"]);
  });

  it("takes in what the build writes and git does not hold", () => {
    const written = readFileSync(path.join(root, ".gitignore"), "utf8").match(/^src\/.+$/gm);
    expect(publish.exclude).toEqual(expect.arrayContaining(written!.map((name) => `!${name}`)));
  });
});

describe("the published JavaScript", () => {
  const files = readdirSync(path.join(root, "dist"), { recursive: true, encoding: "utf8" })
    // the command is a program for Node
    .filter((name) => name.endsWith(".js") && name !== "cli.js")
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
        /^\.\/wasm\/bytelane\.([a-z]+\.)?(simd|relaxed)\.wasm(\?module)?$/.test(path),
      );
      expect([...own, ...wasm].sort()).toEqual(given.sort());
      // Next.js compiles all that is imported, and on Node 20 it cannot compile the relaxed build
      const tiers: Record<string, string[]> = {
        "workerd.js": ["relaxed", "simd"],
        "module.js": ["relaxed", "simd"],
        "edge-light.js": ["simd"],
      };
      const builds = (tiers[name] ?? []).flatMap((tier) => [
        tier,
        ...MODULES.map((module) => `${module}.${tier}`),
      ]);
      const imported = wasm.map((each) => /bytelane\.([\w.]+)\.wasm/.exec(each)?.[1]);
      expect(imported.sort()).toEqual(builds.sort());
      expect(text).not.toMatch(/\bimport\s*\(/);
    },
  );
});

describe("the published wasm", () => {
  const folder = path.join(root, "dist", "wasm");
  const names = readdirSync(folder).filter((name) => name.endsWith(".wasm"));
  // a threaded build and the modules beside the main one import one memory
  it.each(names)("%s imports nothing but a memory", async (name) => {
    const module = await WebAssembly.compile(readFileSync(path.join(folder, name)));
    const imports = WebAssembly.Module.imports(module).map(({ kind }) => kind);
    const isMain = /^bytelane\.(simd|relaxed)\.wasm$/.test(name);
    expect(imports).toEqual(isMain ? [] : ["memory"]);
  });
});

describe("the tarball, installed alone", () => {
  const runSmoke = (name: string) =>
    run(process.execPath, [name], { cwd: home }).catch((fault: { stderr: string }) => fault);

  it.each(["module.mjs", "common.cjs"])("runs as %s", async (name) => {
    const instance = createBytelaneSync({ tier: "simd" });
    const x = Float32Array.of(-1, 0.5, 2);
    const q = quantize(instance, x, { scale: 2 / 127 });
    const weights = Float32Array.of(1, 0, 0.25, 1, -1, 0.5);
    const y = linear(createLinear(instance, { weights, shape: [3, 2] }), x);
    const { stdout } = (await runSmoke(name)) as { stdout: string };
    expect(JSON.parse(stdout)).toEqual({ q: [...q], y: [...y] });
  });

  it.each(["typescript-5.4", "typescript-5.9", "typescript"])(
    "compiles the README's first program in a fresh strict project, by %s",
    async (name) => {
      const readme = readFileSync(path.join(installed, "README.md"), "utf8");
      const program = readme.match(/```js\n([\s\S]*?)```/)?.[1] ?? "";
      expect(program).toContain('from "bytelane"');
      const project = path.join(home, name);
      mkdirSync(project);
      const settings = { strict: true, module: "nodenext", target: "es2022", outDir: "made" };
      const config = { compilerOptions: { ...settings, lib: ["es2022", "dom"], types: [] } };
      writeFileSync(path.join(project, "tsconfig.json"), JSON.stringify(config));
      writeFileSync(path.join(project, "first.ts"), program);
      const tsc = path.join(root, "node_modules", name, "bin", "tsc");
      const compiled = await run(process.execPath, [tsc, "--pretty", "false"], {
        cwd: project,
      }).catch((fault: { stdout: string }) => fault);
      expect(compiled.stdout).toBe("");
      const made = path.join(project, "made", "first.js");
      const { stdout } = await run(process.execPath, [made], { cwd: project });
      expect(stdout).toContain("Int8Array(4) [ -42, 21, 127, 11 ]");
      expect(stdout).toContain("Float32Array(2) [ 2.49");
    },
    120_000,
  );

  it("shows an uncaught error in words, with the user's line and without walls of code", async () => {
    const { stderr } = await runSmoke("uncaught.mjs");
    expect(stderr).toContain('"params.scale" expected ');
    expect(stderr).toContain("uncaught.mjs:4:1");
    // the functions that it went through have their names
    expect(stderr).toMatch(/at quantize \(/);
    const longest = Math.max(...stderr.split("\n").map((line) => line.length));
    expect(longest).toBeLessThan(300);
  });
});
