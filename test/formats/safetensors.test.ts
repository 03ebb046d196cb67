import { describe, expect, it } from "vitest";
import { readSafetensors, type SafeTensor, writeSafetensors } from "../../src/formats/index.ts";
import { noise } from "../support/samples.ts";

const u8 = (...bytes: number[]) => Uint8Array.of(...bytes);

/** A file with a header and data as they are given. */
function fileOf(header: string | Uint8Array, data: Uint8Array | number = 0): Uint8Array {
  const text = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const bytes = typeof data === "number" ? new Uint8Array(data) : data;
  const file = new Uint8Array(8 + text.length + bytes.length);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  file.set(bytes, 8 + text.length);
  return file;
}

const one = (fields: string) => `{"a":{${fields}}}`;
const tensor = (dtype: string, shape: string, offsets: string) =>
  `"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}`;

describe("safetensors", () => {
  it("reads what others write: order, spaces, metadata, escapes", () => {
    const header = `{ "__metadata__" : {"format":"pt", "\\u00e9" : "\\"x\\""},
      "b":{"data_offsets":[0,4],"shape":[2],"dtype":"F16"},\t"a\\n": {"dtype":"I64","shape":[ ],"data_offsets":[4,12]},
      "none":{"dtype":"F32","shape":[0,5],"data_offsets":[4,4]} }   `;
    const { tensors, metadata } = readSafetensors(
      fileOf(header, u8(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)),
    );
    expect([...metadata]).toEqual([
      ["format", "pt"],
      ["é", '"x"'],
    ]);
    expect([...tensors.keys()]).toEqual(["b", "none", "a\n"]);
    expect(tensors.get("b")).toEqual({ dtype: "F16", shape: [2], data: u8(1, 2, 3, 4) });
    expect(tensors.get("a\n")).toMatchObject({ dtype: "I64", shape: [], data: { length: 8 } });
    expect(tensors.get("none")?.data).toHaveLength(0);
    expect(readSafetensors(fileOf("{}"))).toMatchObject({ tensors: { size: 0 } });
  });

  it("gives views on the file, wherever in a buffer it lies", () => {
    const file = fileOf(one(tensor("U8", "[3]", "[0,3]")), u8(7, 8, 9));
    const host = new Uint8Array(file.length + 5);
    host.set(file, 5);
    const { data } = readSafetensors(host.subarray(5)).tensors.get("a")!;
    host[host.length - 1] = 42;
    expect([...data]).toEqual([7, 8, 42]);
  });

  it("writes what it reads, larger elements first, data on a boundary", () => {
    const tensors: [string, SafeTensor][] = [
      ["x", { dtype: "U8", shape: [3], data: u8(1, 2, 3) }],
      ["é\u2028\ud800", { dtype: "F32", shape: [2, 1], data: u8(1, 2, 3, 4, 5, 6, 7, 8) }],
      ["__proto__", { dtype: "F16", shape: [1], data: u8(9, 9) }],
      ["empty", { dtype: "F64", shape: [4, 0], data: u8() }],
    ];
    const file = writeSafetensors(tensors, [
      ["key", "value"],
      ["__proto__", "2"],
    ]);
    const length = Number(new DataView(file.buffer).getBigUint64(0, true));
    expect((8 + length) % 32).toBe(0);
    const read = readSafetensors(file);
    expect([...read.metadata]).toEqual([
      ["key", "value"],
      ["__proto__", "2"],
    ]);
    expect([...read.tensors.keys()]).toEqual(["empty", "é\u2028\ud800", "__proto__", "x"]);
    for (const [name, wanted] of tensors) expect(read.tensors.get(name)).toEqual(wanted);
    expect(writeSafetensors(read.tensors, read.metadata)).toEqual(file);
    expect(readSafetensors(writeSafetensors([]))).toMatchObject({ tensors: { size: 0 } });
  });

  it("refuses to write what does not fit", () => {
    const fail = (name: string, one: SafeTensor, message: string) =>
      expect(() => writeSafetensors([[name, one]])).toThrow(message);
    fail("a", { dtype: "F32", shape: [2], data: u8(1) }, '"tensors" expected 8 bytes for "a"');
    fail(
      "a",
      { dtype: "F7" as "F32", shape: [], data: u8() },
      'a known type of tensor "a", got "F7"',
    );
    fail("__metadata__", { dtype: "U8", shape: [0], data: u8() }, "a name other than __metadata__");
    const long = "n".repeat(2 ** 22);
    fail(long, { dtype: "U8", shape: [0], data: u8() }, "a header of at most 4194304 bytes");
  });

  const hostile: [name: string, file: Uint8Array, message: string][] = [
    ["nothing", u8(), "at least 8 bytes"],
    ["half a length", u8(1, 0, 0), "at least 8 bytes"],
    ["a header of 2^64 − 1 bytes", new Uint8Array(16).fill(255), "a header of at most 4194304"],
    [
      "a header of 2^40 bytes",
      u8(0, 0, 0, 0, 0, 1, 0, 0, 0x7b, 0x7d),
      "a header of at most 4194304",
    ],
    [
      "a header beyond the end",
      u8(3, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x7d),
      "at most 2 bytes, all that",
    ],
    ["a header of 5 MB", fileOf(" ".repeat(5e6)), "a header of at most 4194304"],
    ["no header", fileOf(""), 'a header with a header: "{" at character 0'],
    ["no JSON", fileOf("hello"), 'got "hello"'],
    ["an array", fileOf("[]"), 'a header: "{"'],
    ["a header that ends", fileOf('{"a":{'), "a string at character 6"],
    ["a string that ends", fileOf('{"a'), "the end of a string"],
    ["an escape that ends", fileOf('{"a\\'), "the end of a string"],
    ["a wrong escape", fileOf('{"\\x":{}}'), "a string at character 1"],
    ["a raw control character", fileOf('{"\n":{}}'), "a string at character 1"],
    ["two objects", fileOf("{}{}"), "nothing behind the header's object at character 2"],
    ["no UTF-8", fileOf(u8(0x7b, 0x22, 0xff, 0x22, 0x7d)), "a header in UTF-8"],
    ["a byte order mark", fileOf("\ufeff{}"), 'a header: "{"'],
    [
      "a trailing comma",
      fileOf(`{${one(tensor("U8", "[0]", "[0,0]")).slice(1, -1)},}`),
      "a string",
    ],
    ["a number as a tensor", fileOf('{"a":1}'), 'tensor "a": "{"'],
    ["null as a tensor", fileOf('{"a":null}'), 'tensor "a": "{"'],
    [
      "a tensor without fields",
      fileOf('{"a":{}}'),
      'tensor "a" with dtype, shape, data_offsets, got "less"',
    ],
    ["no type", fileOf('{"a":{"shape":[],"data_offsets":[0,1]}}', 1), 'got "less"'],
    ["a field more", fileOf(one(`${tensor("U8", "[0]", "[0,0]")},"x":"y"`)), 'got "x"'],
    [
      "a field twice",
      fileOf(one(`${tensor("U8", "[0]", "[0,0]")},"dtype":"U8"`)),
      "each name once",
    ],
    [
      "a name twice",
      fileOf(
        `{"a":{${tensor("U8", "[1]", "[0,1]")}},"\\u0061":{${tensor("U8", "[1]", "[1,2]")}}}`,
        2,
      ),
      'a header with each name once, got "a"',
    ],
    ["metadata twice", fileOf('{"__metadata__":{},"__metadata__":{}}'), "each name once"],
    ["a key of metadata twice", fileOf('{"__metadata__":{"a":"","a":""}}'), "each name once"],
    ["metadata of numbers", fileOf('{"__metadata__":{"a":1}}'), "a string"],
    ["a shape of strings", fileOf(one(tensor("U8", '["1"]', "[0,1]")), 1), "shape of integers"],
    ["a negative length", fileOf(one(tensor("U8", "[-1]", "[0,1]")), 1), "shape of integers"],
    ["a fraction", fileOf(one(tensor("U8", "[1.5]", "[0,1]")), 1), 'shape: "]"'],
    ["an exponent", fileOf(one(tensor("U8", "[1e0]", "[0,1]")), 1), 'shape: "]"'],
    ["a leading zero", fileOf(one(tensor("U8", "[01]", "[0,1]")), 1), "shape of integers"],
    [
      "a length beyond 2^53",
      fileOf(one(tensor("U8", "[9007199254740993]", "[0,1]")), 1),
      "to 2^53 − 1",
    ],
    ["a shape in a shape", fileOf(one(tensor("U8", "[[1]]", "[0,1]")), 1), "shape of integers"],
    [
      "33 dimensions",
      fileOf(one(tensor("U8", `[${"1,".repeat(32)}1]`, "[0,1]")), 1),
      "at most 32 integers",
    ],
    [
      "a product beyond 2^53",
      fileOf(one(tensor("F32", "[4294967296,4294967296]", "[0,1]")), 1),
      'a shape of tensor "a" that fits the file',
    ],
    [
      "a product that wraps to 0",
      fileOf(one(tensor("U8", "[4294967296,4294967296]", "[0,0]"))),
      'a shape of tensor "a" that fits the file',
    ],
    [
      "a large tensor in a small file",
      fileOf(one(tensor("F32", "[1000000000]", "[0,4000000000]")), 4),
      "within 4 bytes",
    ],
    [
      "fewer bytes than the shape",
      fileOf(one(tensor("F32", "[2]", "[0,4]")), 4),
      '8 bytes for tensor "a", got 4',
    ],
    [
      "more bytes than the shape",
      fileOf(one(tensor("F32", "[]", "[0,8]")), 8),
      '4 bytes for tensor "a", got 8',
    ],
    [
      "offsets in the wrong order",
      fileOf(one(tensor("U8", "[1]", "[1,0]")), 1),
      "offsets of tensor",
    ],
    ["one offset", fileOf(one(tensor("U8", "[1]", "[1]")), 1), 'got "less"'],
    ["three offsets", fileOf(one(tensor("U8", "[1]", "[0,1,2]")), 1), "data_offsets of at most 2"],
    [
      "a gap at the start",
      fileOf(one(tensor("U8", "[1]", "[1,2]")), 2),
      "from 0 on, without overlap or gap, got 1",
    ],
    [
      "a gap",
      fileOf(`{"a":{${tensor("U8", "[1]", "[0,1]")}},"b":{${tensor("U8", "[1]", "[2,3]")}}}`, 3),
      'data of tensor "b" from 1 on',
    ],
    [
      "an overlap",
      fileOf(`{"a":{${tensor("U8", "[2]", "[0,2]")}},"b":{${tensor("U8", "[2]", "[1,3]")}}}`, 3),
      'data of tensor "b" from 2 on',
    ],
    [
      "two tensors on the same bytes",
      fileOf(`{"a":{${tensor("U8", "[2]", "[0,2]")}},"b":{${tensor("U8", "[2]", "[0,2]")}}}`, 2),
      "without overlap or gap",
    ],
    [
      "bytes that nothing names",
      fileOf(one(tensor("U8", "[1]", "[0,1]")), 2),
      "1 bytes of data, all of them named",
    ],
    ["deep nesting", fileOf('{"a":'.repeat(100000)), 'dtype, shape, data_offsets, got "a"'],
  ];

  it.each([
    ["F8_E4M3", [4], 4],
    ["F8_E5M2", [4], 4],
    ["F8_E8M0", [4], 4],
    ["C64", [1], 8],
    ["F4", [8], 4],
    ["F6_E2M3", [4], 3],
    ["F9_OF_LATER", [4], 5],
    ["constructor", [1], 1],
  ])("reads the other tensors beside one of %s", (dtype, shape, size) => {
    const a = `"a":{${tensor(dtype, JSON.stringify(shape), `[0,${size}]`)}}`;
    const b = `"b":{${tensor("F32", "[1]", `[${size},${size + 4}]`)}}`;
    const { tensors } = readSafetensors(fileOf(`{${a},${b}}`, size + 4));
    expect(tensors.get("a")).toMatchObject({ dtype, shape, data: { length: size } });
    expect(tensors.get("b")?.data).toHaveLength(4);
  });

  it("gives plain Uint8Arrays, also of a Buffer", () => {
    const file = Buffer.from(fileOf(one(tensor("U8", "[3]", "[0,3]")), u8(7, 8, 9)));
    const { data } = readSafetensors(file).tensors.get("a")!;
    expect(Object.getPrototypeOf(data)).toBe(Uint8Array.prototype);
    expect([...data]).toEqual([7, 8, 9]);
  });

  it.each([
    [
      "a negative dimension",
      { dtype: "U8", shape: [-1, -2], data: u8(1, 2) },
      /shape\[0\]" expected an integer/,
    ],
    [
      "a fraction",
      { dtype: "U8", shape: [1.5, 2], data: u8(1, 2, 3) },
      /shape\[0\]" expected an integer/,
    ],
    ["a hole", { dtype: "U8", shape: new Array(1), data: u8() }, /shape\[0\]" expected a number/],
    [
      "33 dimensions",
      { dtype: "U8", shape: Array(33).fill(1), data: u8(1) },
      /at most 32 dimensions/,
    ],
    [
      "floats as data",
      { dtype: "U8", shape: [1], data: Float32Array.of(1) },
      /data" expected a Uint8Array/,
    ],
  ])("refuses to write %s", (_, given, message) => {
    expect(() => writeSafetensors([["a", given as never]])).toThrow(message);
  });

  it("refuses to write a name twice, and metadata that are no texts", () => {
    const a = { dtype: "U8", shape: [1], data: u8(1) } as const;
    expect(() =>
      writeSafetensors([
        ["a", a],
        ["a", a],
      ]),
    ).toThrow('each name once, got "a"');
    expect(() => writeSafetensors([], [["k", 1 as never]])).toThrow('"metadata" expected texts');
    expect(() =>
      writeSafetensors(
        [],
        [
          ["k", ""],
          ["k", ""],
        ],
      ),
    ).toThrow("each key once");
  });

  it.each(hostile)("refuses %s", (_, file, message) => {
    expect(() => readSafetensors(file)).toThrow(RangeError);
    expect(() => readSafetensors(file)).toThrow(message);
  });

  it("refuses what is no Uint8Array", () => {
    expect(() => readSafetensors([] as never)).toThrow('"file" expected a Uint8Array, got []');
  });

  it("allocates next to nothing for a lie", () => {
    const before = process.memoryUsage().arrayBuffers;
    for (const [, file] of hostile) {
      if (file.length < 2 ** 16) expect(() => readSafetensors(file)).toThrow();
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20);
  });

  it("reads a damaged file or refuses it, and does nothing else", () => {
    const data = Uint8Array.from({ length: 40 }, (_, i) => i);
    const file = writeSafetensors(
      [
        ["weights", { dtype: "F16", shape: [2, 8], data: data.subarray(0, 32) }],
        ["zeros", { dtype: "U8", shape: [8], data: data.subarray(32) }],
      ],
      [["kind", "test"]],
    );
    const { integer } = noise(9);
    let refused = 0;
    for (let i = 0; i < 4000; i++) {
      const damaged = file.slice(0, i % 5 === 0 ? integer(0, file.length) : file.length);
      for (let n = integer(0, 3); n > 0; n--) {
        damaged[integer(0, damaged.length - 1)] = integer(0, 3)
          ? integer(32, 126)
          : integer(0, 255);
      }
      try {
        readSafetensors(damaged);
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
        expect((error as Error).message).toMatch(/^"file" expected /);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(1000);
  });
});
