/** The rules of docs/architecture.md, asserted over the sources, the modules and the documents. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
// @ts-expect-error: a script has no declarations
import { anchorsOf } from "../scripts/docs-check/pages.mjs";
import { CODES, RESULT_CODES } from "../src/core/product.ts";
import { KINDS } from "../src/nn/activation.ts";
import { METRICS } from "../src/search/record.ts";
import {
  constantsOf,
  findCircle,
  functionsOf,
  parseFile,
  ROOT,
  readText,
  type SourceFile,
  type SyntaxNode,
  trackedFiles,
  walk,
} from "./support/source-tree.ts";

/**
 * What does not obey yet, by rule: a file, `file:function`, an export, or a folder that ends with
 * /. An entry is removed when it obeys.
 */
const PENDING: Readonly<Record<string, readonly string[]>> = {};

/** Rooms of src, each with the rooms that it may import from. Nothing may import from `entries`. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  core: [],
  builds: ["core"],
  params: ["core"],
  elementwise: ["core", "builds", "params"],
  gemm: ["core", "params", "elementwise"],
  int4: ["core", "builds", "params", "elementwise", "gemm"],
  linear: ["core", "params", "elementwise", "gemm", "int4"],
  search: ["core", "builds", "params", "elementwise", "formats"],
  table: ["core", "params", "int4"],
  nn: ["core", "builds", "params", "elementwise", "gemm", "linear", "table"],
  calibration: ["core", "builds", "params", "elementwise", "int4"],
  formats: [
    "core",
    "builds",
    "params",
    "elementwise",
    "gemm",
    "int4",
    "linear",
    "table",
    "calibration",
  ],
  gguf: ["core", "builds", "params", "elementwise", "gemm", "int4", "linear"],
  onnx: ["core", "params", "elementwise", "gemm", "int4", "calibration", "formats"],
  cli: ["core", "calibration", "formats", "onnx"],
  workers: ["core", "params", "elementwise", "gemm", "int4", "linear", "search"],
};

/** Where the word WebAssembly may stand: what finds, compiles and opens a build. */
const WEBASSEMBLY = [
  /^src\/builds\//,
  /^src\/core\/platform\.ts$/,
  /^src\/entries\//,
  /^src\/workers\/worker\.ts$/,
];

/**
 * Who may touch the buffer of a memory: the one who makes views, and a worker on its own memory.
 */
const BUFFER = [/^src\/core\/(arena|heap)\.ts$/, /^src\/workers\/worker\.ts$/];

/** Kernels whose many parameters are the runs, bounds and strides of one loop. */
const ELEMENTWISE = [
  /^assembly\/(profiles\/)?(quantize|dequantize|requantize|codebook|dynamic)\.ts$/,
  /^assembly\/int4\/(gather|choose)\.ts$/,
  /^assembly\/gather\.ts$/,
  /^assembly\/nn\/elementwise\.ts$/,
];

/** Constants that kernels and wrapper both state, as [file, name, file, name]. */
const SHARED_CONSTANTS = [
  ["assembly/profiles/quantize.ts", "MULTIPLY", "src/params/profile.ts", "MULTIPLIES"],
  ["assembly/profiles/quantize.ts", "AWAY", "src/params/profile.ts", "AWAY"],
  ["assembly/profiles/quantize.ts", "WRAP", "src/params/profile.ts", "WRAPS"],
  ["assembly/dynamic.ts", "LEAST_SCALE", "src/params/onnx-params.ts", "LEAST_SCALE"],
  ["assembly/lanes.ts", "FUSED", "src/core/tiers.ts", "FUSED"],
  ["assembly/calibration/gptq.ts", "WIDTH", "src/int4/gptq.ts", "WIDTH"],
  ["assembly/superblock/tile.ts", "SUPERBLOCK", "src/int4/sizes.ts", "SUPERBLOCK"],
  ["assembly/nn/softmax.ts", "LOGARITHM", "src/nn/softmax.ts", "LOGARITHMS"],
  ["assembly/nn/softmax.ts", "BYTES", "src/nn/softmax.ts", "BYTES"],
] as const;

/** Codes that both state: constants of a file of kernels, and the wrapper's by their names. */
const SHARED_CODES: readonly (readonly [string, Readonly<Record<string, number>>])[] = [
  [
    "assembly/gemm/product.ts",
    {
      NIBBLES: CODES.nibbles,
      BYTES: CODES.bytes,
      FOUR_BITS: CODES.fourBits,
      SIX_BITS: CODES.sixBits,
    },
  ],
  [
    "assembly/gemm/epilogue.ts",
    { I32: RESULT_CODES.i32, F32: RESULT_CODES.f32, BYTES: RESULT_CODES.i8 },
  ],
  ["assembly/search/record.ts", inUpperCase(METRICS)],
  ["assembly/nn/activate.ts", inUpperCase(KINDS)],
];

/** Names as constants have them, with their places in a list. */
function inUpperCase(names: readonly string[]): Record<string, number> {
  const constants = names.map((name) => name.toUpperCase().replaceAll("-", "_"));
  return Object.fromEntries(constants.map((name, i) => [name, i]));
}

/** Exports for gemm alone: a function that is exported stays a function of its own. */
const OUT_OF_LINE = ["finish", "pack_lhs", "tiles", "tile_row", "tile_two_step"];

const LINES = 400;
const FUNCTION_LINES = 80;
const PARAMETERS = 10;
const COLUMNS = 100;

const sources = trackedFiles("src/**/*.ts", "src/*.ts").map(parseFile);
const kernels = trackedFiles("assembly/**/*.ts", "assembly/*.ts").map(parseFile);

/** Faults of a rule that are not listed as pending. A fault begins with what PENDING names. */
function unlisted(rule: string, faults: readonly string[]): string[] {
  const pending = PENDING[rule] ?? [];
  const listed = (subject: string) =>
    pending.some((each) => (each.endsWith("/") ? subject.startsWith(each) : subject === each));
  return faults.filter((fault) => !listed(fault.split(" ")[0]));
}

function graphOf(files: readonly SourceFile[]): Map<string, readonly string[]> {
  return new Map(files.map(({ name, imports }) => [name, imports]));
}

const matches = (patterns: readonly RegExp[], name: string) =>
  patterns.some((pattern) => pattern.test(name));

describe("imports", () => {
  it("of src go from entries to families, to params and builds, to core", () => {
    const faults: string[] = [];
    for (const { name, imports } of sources) {
      const room = name.split("/")[1];
      for (const target of imports) {
        const other = target.split("/")[1];
        if (other === room) continue;
        const allowed = room === "entries" ? other in ROOMS : ROOMS[room]?.includes(other);
        if (!allowed) faults.push(`${name} imports ${target}`);
      }
    }
    expect(unlisted("rooms", faults)).toEqual([]);
  });

  it("of src and of assembly make no circle", () => {
    const circles = [findCircle(graphOf(sources)), findCircle(graphOf(kernels))];
    const faults = circles.flatMap((circle) => (circle ? [circle.join(" → ")] : []));
    expect(unlisted("circle", faults)).toEqual([]);
  });

  it("name files that exist", () => {
    const faults = [...sources, ...kernels].flatMap(({ name, imports }) =>
      imports
        .filter((target) => !target.endsWith(".wasm") && !existsSync(path.join(ROOT, target)))
        .map((target) => `${name} imports ${target}`),
    );
    expect(faults).toEqual([]);
  });

  it("of assembly end at lanes, and nothing imports the index", () => {
    const faults: string[] = [];
    for (const { name, imports } of kernels) {
      for (const target of imports) {
        if (/lanes\.ts$/.test(name) || /^assembly\/index\.ts$/.test(target)) {
          faults.push(`${name} imports ${target}`);
        }
      }
    }
    expect(faults).toEqual([]);
  });

  it("of oracles name oracles only", () => {
    const faults = trackedFiles("test/reference/*.ts")
      .filter((name) => !name.endsWith(".test.ts"))
      .map(parseFile)
      .flatMap(({ name, imports }) =>
        imports
          .filter((target) => !target.startsWith("test/reference/"))
          .map((target) => `${name} imports ${target}`),
      );
    expect(faults).toEqual([]);
  });
});

describe("words with one place", () => {
  /** Files with such a node. Comments have none. */
  const saying = (
    files: readonly SourceFile[],
    test: (node: SyntaxNode, above: readonly SyntaxNode[]) => boolean,
  ) =>
    files
      .filter(({ program }) => {
        let found = false;
        walk(program, (node, above) => {
          found ||= test(node, above);
        });
        return found;
      })
      .map(({ name }) => name);

  /** An identifier as a value: types may name it everywhere. */
  const identifier = (name: string) => (node: SyntaxNode, above: readonly SyntaxNode[]) =>
    node.type === "Identifier" &&
    node.name === name &&
    above[above.length - 1].type !== "TSQualifiedName";

  it("RELAXED: assembly/lanes.ts", () => {
    const faults = saying(kernels, identifier("RELAXED"));
    expect(unlisted("RELAXED", faults)).toEqual(["assembly/lanes.ts"]);
  });

  it("instructions of relaxed SIMD: assembly/lanes.ts", () => {
    const relaxed = (node: SyntaxNode) =>
      node.type === "Identifier" && /relaxed_/.test(String(node.name));
    expect(unlisted("RELAXED", saying(kernels, relaxed))).toEqual(["assembly/lanes.ts"]);
  });

  it("WebAssembly: builds, entries and the worker", () => {
    const faults = saying(sources, identifier("WebAssembly"));
    expect(unlisted("WebAssembly", faults).filter((name) => !matches(WEBASSEMBLY, name))).toEqual(
      [],
    );
  });

  it("isView and instanceof of a tensor: who describes values, and sources of builds", () => {
    const asking = (node: SyntaxNode) => {
      const { property, operator, right } = node as unknown as Record<string, SyntaxNode>;
      if (node.type === "MemberExpression") return property.name === "isView";
      return String(operator) === "instanceof" && right?.name === "Tensor";
    };
    const allowed = ["src/core/check.ts", "src/builds/sources.ts"];
    expect(saying(sources, asking).filter((name) => !allowed.includes(name))).toEqual([]);
  });

  it("memory.buffer: the arena and the worker", () => {
    const touching = (node: SyntaxNode) => {
      if (node.type !== "MemberExpression") return false;
      const { object, property } = node as unknown as Record<string, SyntaxNode>;
      const of = (object.name ?? (object.property as SyntaxNode | undefined)?.name) as string;
      return property.name === "buffer" && of === "memory";
    };
    const faults = saying(sources, touching);
    expect(unlisted("buffer", faults).filter((name) => !matches(BUFFER, name))).toEqual([]);
  });
});

describe("both storeys", () => {
  /** Members of the interface that states a module's exports, with their numbers of parameters. */
  function declared(file: string, name: string): Map<string, number> {
    const { program } = parseFile(file);
    const shapes = new Map<string, number>();
    const members = new Map<string, number>();
    walk(program, (node) => {
      if (node.type === "TSTypeAliasDeclaration") {
        const type = node.typeAnnotation as SyntaxNode;
        if (type.type !== "TSFunctionType") return;
        shapes.set((node.id as { name: string }).name, (type.params as unknown[]).length);
      }
    });
    walk(program, (node) => {
      if (node.type !== "TSInterfaceDeclaration") return;
      if ((node.id as { name: string }).name !== name) return;
      for (const member of (node.body as SyntaxNode).body as SyntaxNode[]) {
        const key = (member.key as { name: string }).name;
        if (member.type === "TSMethodSignature") {
          members.set(key, (member.params as unknown[]).length);
        } else {
          const { typeAnnotation } = member.typeAnnotation as unknown as Record<string, SyntaxNode>;
          const shape = (typeAnnotation.typeName as { name?: string } | undefined)?.name ?? "";
          if (shapes.has(shape)) members.set(key, shapes.get(shape)!);
        }
      }
    });
    return members;
  }

  const modules = readdirSync(path.join(ROOT, "dist", "wasm")).filter((name) =>
    /^bytelane\.(simd|relaxed)(\.threads)?\.wasm$/.test(name),
  );

  it("four builds are there", () => {
    expect(modules).toHaveLength(4);
  });

  it.each(modules)("%s exports what src/core/abi.ts declares, with as many parameters", (name) => {
    const module = new WebAssembly.Module(readFileSync(path.join(ROOT, "dist", "wasm", name)));
    const settings = { initial: 1, maximum: 65536, shared: true };
    const imports = WebAssembly.Module.imports(module).map((each) => `${each.module}.${each.name}`);
    expect(imports).toEqual(name.includes("threads") ? ["env.memory"] : []);
    const memory = imports.length > 0 ? { env: { memory: new WebAssembly.Memory(settings) } } : {};
    const { exports } = new WebAssembly.Instance(module, memory);
    const functions = Object.entries(exports).filter(
      ([key, value]) => typeof value === "function" && !OUT_OF_LINE.includes(key),
    );
    const actual = functions.map(([key, value]) => `${key} ${(value as () => void).length}`);
    const stated = [...declared("src/core/abi.ts", "Kernels")].map(([key, n]) => `${key} ${n}`);
    expect(actual.sort()).toEqual(stated.sort());
  });

  it.each(SHARED_CONSTANTS)("%s %s equals %s %s", (below, name, above, other) => {
    const value = constantsOf(parseFile(below)).get(name);
    expect(value).toBeDefined();
    expect(constantsOf(parseFile(above)).get(other)).toBe(value);
  });
});

describe("codes", () => {
  it.each(SHARED_CODES)("of %s are those of the wrapper", (file, codes) => {
    const constants = constantsOf(parseFile(file));
    const stated = Object.keys(codes).map((name) => [name, constants.get(name)]);
    expect(Object.fromEntries(stated)).toEqual(codes);
  });
});

describe("documents", () => {
  const documents = trackedFiles("*.md", "docs/**/*.md").filter(
    (name) => !name.includes("node_modules"),
  );

  it("link to what is there", () => {
    const faults: string[] = [];
    const anchors = new Map<string, Set<string>>();
    const has = (name: string, anchor: string): boolean => {
      if (!anchors.has(name)) anchors.set(name, anchorsOf(readText(name)));
      return anchors.get(name)!.has(anchor);
    };
    for (const name of documents) {
      const text = readText(name)
        .replaceAll(/^```[\s\S]*?^```/gm, "")
        .replaceAll(/`[^`\n]*`/g, "");
      for (const [, link] of text.matchAll(/\]\(<?([^)>\s]+)>?(?: "[^"]*")?\)/g)) {
        if (/^[a-z]+:/i.test(link)) continue;
        const [file, anchor] = decodeURI(link).split("#");
        const target = file ? path.posix.join(path.posix.dirname(name), file) : name;
        if (!existsSync(path.join(ROOT, target))) faults.push(`${name} links to ${link}`);
        else if (anchor && target.endsWith(".md") && !has(target, anchor)) {
          faults.push(`${name} links to ${link}, which has no such heading`);
        }
      }
    }
    expect(faults).toEqual([]);
  });

  it("number every formula that is cited, once", () => {
    const numbers = [...readText("docs/math.md").matchAll(/^\*\*\((\d+)\)\*\*/gm)].map((match) =>
      Number(match[1]),
    );
    expect(numbers).toEqual(numbers.map((_, i) => i + 1));
    const faults: string[] = [];
    for (const name of trackedFiles("*.ts", "*.mjs", "*.md")) {
      // "docs/math.md (6)–(8)", "docs/math.md, 3 and 4", "[math.md](math.md) (1)"
      const citation = /math\.md(?:\]\([^)]*\))?[,)]? *((?:\(?\d+\)?(?: and |[–,] ?)?)+)/g;
      for (const [, list] of readText(name).matchAll(citation)) {
        for (const [number] of list.matchAll(/\d+/g)) {
          if (!numbers.includes(Number(number))) faults.push(`${name} cites formula ${number}`);
        }
      }
    }
    expect(faults).toEqual([]);
  });
});

describe("sizes", () => {
  it(`no file of src has more than ${LINES} lines`, () => {
    const faults = sources
      .map(({ name, text }) => ({ name, lines: text.split("\n").length - 1 }))
      .filter(({ lines }) => lines > LINES)
      .map(({ name, lines }) => `${name} has ${lines}`);
    expect(unlisted("file", faults)).toEqual([]);
  });

  it(`no function of src or assembly has more than ${FUNCTION_LINES} lines`, () => {
    const faults = [...sources, ...kernels].flatMap((file) =>
      functionsOf(file)
        .filter(({ lines }) => lines > FUNCTION_LINES)
        .map(({ name, lines }) => `${file.name}:${name} has ${lines}`),
    );
    expect(unlisted("function", faults)).toEqual([]);
  });

  it(`no function has more than ${PARAMETERS} parameters, but loops over elements`, () => {
    const faults = [...sources, ...kernels].flatMap((file) =>
      functionsOf(file)
        .filter(({ parameters }) => parameters > PARAMETERS && !matches(ELEMENTWISE, file.name))
        .map(({ name, parameters }) => `${file.name}:${name} has ${parameters}`),
    );
    expect(unlisted("parameters", faults)).toEqual([]);
  });

  it(`no line of code or comment has more than ${COLUMNS} columns, but for one long literal`, () => {
    // a message or a pattern is found by searching for it, so it stays in one piece
    const literal = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|\/(?:[^/\\]|\\.)+\/\w*/g;
    const isComment = /^\s*(?:\/?\*|\/\/)/;
    const widthOf = (line: string) =>
      [...(isComment.test(line) ? line : line.replaceAll(literal, ""))].length;
    const faults = trackedFiles("*.ts", "*.mts", "*.mjs").flatMap((name) => {
      const long = readText(name)
        .split("\n")
        .flatMap((line, i) => (widthOf(line) > COLUMNS ? [i + 1] : []));
      return long.length > 0 ? [`${name} in lines ${long.slice(0, 8).join(", ")}`] : [];
    });
    expect(unlisted("columns", faults)).toEqual([]);
  });
});
