import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { decodeGgml, readGguf } from "../../src/gguf/index.ts";
import { Bytes, entry, fileOf } from "../support/gguf.ts";
import { noise } from "../support/samples.ts";

const golden = JSON.parse(
  readFileSync(new URL("../golden/gguf/ggml.golden.json", import.meta.url), "utf8"),
) as { file: string };
const byGgml = new Uint8Array(Buffer.from(golden.file, "base64"));

const f = Math.fround;

describe("readGguf", () => {
  it("reads what ggml writes: every type of metadata, tensors", () => {
    const { version, metadata, tensors } = readGguf(byGgml);
    expect(version).toBe(3);
    expect(Object.fromEntries(metadata)).toEqual({
      "one.u8": 200,
      "list.u8": Uint8Array.of(200, 0, 200),
      "one.i8": -100,
      "list.i8": Int8Array.of(-100, 0, -100),
      "one.u16": 60000,
      "list.u16": Uint16Array.of(60000, 0, 60000),
      "one.i16": -30000,
      "list.i16": Int16Array.of(-30000, 0, -30000),
      "one.u32": 4000000000,
      "list.u32": Uint32Array.of(4000000000, 0, 4000000000),
      "one.i32": -2000000000,
      "list.i32": Int32Array.of(-2000000000, 0, -2000000000),
      "one.f32": f(0.1),
      "list.f32": Float32Array.of(0.1, 0, 0.1),
      "one.u64": 2n ** 64n - 1n,
      "list.u64": BigUint64Array.of(2n ** 64n - 1n, 0n, 2n ** 64n - 1n),
      "one.i64": -(2n ** 53n),
      "list.i64": BigInt64Array.of(-(2n ** 53n), 0n, -(2n ** 53n)),
      "one.f64": 0.1,
      "list.f64": Float64Array.of(0.1, 0, 0.1),
      "one.bool": true,
      "list.bool": Uint8Array.of(1, 0, 1),
      "one.string": "é and 字",
      "list.string": ["", "a", "字"],
    });
    const shapes = [...tensors].map(([name, { type, shape }]) => [name, type, shape]);
    expect(shapes).toEqual([
      ["a", "F32", [2, 3]],
      ["b.weight", "Q4_K", [2, 256]],
      ["c", "Q4_0", [3, 64]],
    ]);
    let kind = 0;
    for (const [name, { data, offset, byteLength }] of tensors) {
      kind = { a: 0, "b.weight": 12, c: 2 }[name] as number;
      expect(offset % 32).toBe(0);
      expect(data).toHaveLength(byteLength);
      expect(data).toEqual(Uint8Array.from(data, (_, i) => (i * 7 + kind) % 56));
    }
    const { data, type } = tensors.get("b.weight")!;
    expect(decodeGgml(data, type)).toHaveLength(512);
  });

  it("gives views on the file, wherever in a buffer it lies", () => {
    const host = new Uint8Array(byGgml.length + 3);
    host.set(byGgml, 3);
    const { data } = readGguf(host.subarray(3)).tensors.get("c")!;
    host.fill(42);
    expect(data.every((byte) => byte === 42)).toBe(true);
    expect(readGguf(Buffer.from(byGgml)).tensors.size).toBe(3);
    const shared = new Uint8Array(new SharedArrayBuffer(byGgml.length));
    shared.set(byGgml);
    expect(readGguf(shared).metadata.get("one.string")).toBe("é and 字");
  });

  it("reads versions 2 and 3, empty files, empty tensors, bytes behind the data, names of objects", () => {
    for (const version of [2, 3]) expect(readGguf(fileOf({ version })).version).toBe(version);
    const empty = readGguf(fileOf({ tensors: [{ dims: [32, 0], type: 2 }], data: 7 }));
    expect(empty.tensors.get("a")).toMatchObject({ shape: [0, 32], byteLength: 0 });
    const scalar = readGguf(fileOf({ tensors: [{}], data: 4 }));
    expect(scalar.tensors.get("a")).toMatchObject({ shape: [], byteLength: 4 });
    const metadata = [entry("__proto__", 4, new Bytes().u32(7))];
    expect(readGguf(fileOf({ metadata })).metadata.get("__proto__")).toBe(7);
    const small = readGguf(fileOf({ metadata: [entry("n", 10, new Bytes().u64(2 ** 40))] }));
    expect(small.metadata.get("n")).toBe(2 ** 40);
  });

  it("obeys an alignment of the metadata", () => {
    const metadata = [entry("general.alignment", 4, new Bytes().u32(64))];
    const tensors = [{ dims: [8] }, { name: "b", dims: [8], offset: 64 }];
    const read = readGguf(fileOf({ metadata, tensors, data: 96, alignment: 64 }));
    expect(read.tensors.get("a")!.offset % 64).toBe(0);
    expect(read.tensors.get("b")!.offset).toBe(read.tensors.get("a")!.offset + 64);
  });

  it("reads text that is no UTF-8 with replacement characters, where it is no name", () => {
    const value = new Bytes().string(Uint8Array.of(0x61, 0xff));
    expect(readGguf(fileOf({ metadata: [entry("k", 8, value)] })).metadata.get("k")).toBe(
      "a\ufffd",
    );
  });

  const one = (tensor: object, data = 1024) => fileOf({ tensors: [tensor], data });
  const text = (key: string) => entry(key, 8, new Bytes().string(""));
  const list = (type: number, count: number | bigint) =>
    fileOf({ metadata: [entry("k", 9, new Bytes().u32(type).u64(count))] });
  const bytes = Uint8Array.of(0xff);
  const hostile: [name: string, file: Uint8Array, message: string][] = [
    ["nothing", new Uint8Array(0), "4 bytes of a file at 0, got 0"],
    ["another format", new Uint8Array(64), 'a file that starts with "GGUF", got "0x0"'],
    ["half a header", fileOf({}).subarray(0, 12), "8 bytes of the number of tensors"],
    ["version 1", fileOf({ version: 1 }), "version 2 or 3, little endian, got 1"],
    ["version 4", fileOf({ version: 4 }), "version 2 or 3, little endian, got 4"],
    ["big endian", fileOf({ version: 0x03000000 }), 'got "big endian"'],
    ["2^64 − 1 tensors", fileOf({ tensorCount: 2n ** 64n - 1n }), "tensors below 2^53"],
    ["2^50 tensors", fileOf({ tensorCount: 2 ** 50 }), "as many tensors as 32 bytes hold"],
    ["2^50 entries", fileOf({ entryCount: 2 ** 50 }), "as many entries of metadata as"],
    ["entries that are missing", fileOf({ entryCount: 1 }), 'the type of metadata "" at 32, got 0'],
    ["a key twice", fileOf({ metadata: [text("k"), text("k")] }), 'each key once, got "k"'],
    [
      "a key that is no UTF-8",
      fileOf({ metadata: [entry(bytes, 8, new Bytes().string(""))] }),
      "a key of the metadata in UTF-8",
    ],
    [
      "a key of 2^40 bytes",
      fileOf({ metadata: [new Bytes().u64(2 ** 40).done()] }),
      "1099511627776 bytes of a key",
    ],
    [
      "an unknown type of value",
      fileOf({ metadata: [entry("k", 13, new Bytes())] }),
      'a known type of metadata "k", got 13',
    ],
    [
      "a string of 2^60 bytes",
      fileOf({ metadata: [entry("k", 8, new Bytes().u64(2n ** 60n))] }),
      'length of metadata "k" below 2^53',
    ],
    [
      "a string beyond the end",
      fileOf({ metadata: [entry("k", 8, new Bytes().u64(100))] }),
      '100 bytes of metadata "k"',
    ],
    ["an array of arrays", list(9, 1), 'type of the elements of metadata "k", got 9'],
    ["an array of an unknown type", list(99, 1), 'the elements of metadata "k", got 99'],
    ["an array of 2^40 numbers", list(4, 2 ** 40), 'as many elements of metadata "k"'],
    ["an array of 2^40 strings", list(8, 2 ** 40), 'as many strings of metadata "k"'],
    ["an array of 20 numbers that are missing", list(0, 40), '40 bytes of metadata "k"'],
    [
      "an alignment of 0",
      fileOf({ metadata: [entry("general.alignment", 4, new Bytes().u32(0))] }),
      "a power of two",
    ],
    [
      "an alignment of 24",
      fileOf({ metadata: [entry("general.alignment", 4, new Bytes().u32(24))] }),
      "a power of two",
    ],
    ["an alignment of text", fileOf({ metadata: [text("general.alignment")] }), "a power of two"],
    [
      "an alignment of NaN",
      fileOf({ metadata: [entry("general.alignment", 6, new Bytes().u32(0x7fc00000))] }),
      "a power of two",
    ],
    ["5 dimensions", one({ dims: [1, 1, 1, 1, 1] }), 'at most 4 dimensions of tensor "a", got 5'],
    ["2^53 elements", one({ dims: [2 ** 27, 2 ** 27] }), "a shape of tensor"],
    ["2^64 elements", one({ dims: [2 ** 32, 2 ** 32] }), "a shape of tensor"],
    ["a dimension of 2^63", one({ dims: [2n ** 63n] }), "a dimension of tensor"],
    ["an unknown type", one({ type: 1000 }), 'a known type of tensor "a", got 1000'],
    ["a type of the past", one({ type: 4 }), 'a known type of tensor "a", got 4'],
    ["rows that end in a block", one({ dims: [33], type: 2 }), "rows of tensor"],
    ["a scalar of blocks", one({ dims: [], type: 2 }), "blocks of 32, got 1"],
    ["data beyond the end", one({ dims: [1000] }), 'tensor "a" in a file of'],
    ["an offset beyond the end", one({ offset: 2 ** 52 }), 'data of tensor "a" from 0 on'],
    ["an offset of 2^64 − 1", one({ offset: 2n ** 64n - 1n }), "the offset of tensor"],
    [
      "a tensor twice",
      fileOf({ tensors: [{ dims: [8] }, { dims: [8], offset: 32 }], data: 64 }),
      'each tensor once, got "a"',
    ],
    [
      "tensors that overlap",
      fileOf({ tensors: [{ dims: [8] }, { name: "b", dims: [8] }], data: 64 }),
      'data of tensor "b" from 32 on, got 0',
    ],
    [
      "a gap",
      fileOf({ tensors: [{ dims: [8] }, { name: "b", dims: [8], offset: 64 }], data: 128 }),
      "from 32 on, got 64",
    ],
    [
      "a name that is no UTF-8",
      fileOf({
        tensorCount: 1,
        data: new Bytes()
          .string(bytes)
          .u8(...new Uint8Array(60))
          .done(),
      }),
      "expected",
    ],
  ];

  it.each(hostile)("refuses %s", (_, file, message) => {
    expect(() => readGguf(file)).toThrow(RangeError);
    expect(() => readGguf(file)).toThrow('"file" expected');
    expect(() => readGguf(file)).toThrow(message);
  });

  it("refuses more than 32 MiB of metadata, and what is no Uint8Array", () => {
    const big = new Uint8Array(2 ** 25 + 2 ** 20);
    big.set(fileOf({ metadata: [entry("k", 8, new Bytes().u64(2 ** 25))] }));
    expect(() => readGguf(big)).toThrow("metadata and directory of at most 33554432 bytes");
    expect(() => readGguf([] as never)).toThrow('"file" expected a Uint8Array, got []');
    expect(() => readGguf(new Int8Array(4) as never)).toThrow(TypeError);
  });

  it("allocates next to nothing for a lie", () => {
    const before = process.memoryUsage().arrayBuffers;
    for (const [, file] of hostile) expect(() => readGguf(file)).toThrow();
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20);
  });

  it("reads a damaged file or refuses it, and does nothing else: 100 000 of them", () => {
    const { integer, pick } = noise(12);
    const samples = [
      byGgml,
      fileOf({
        metadata: [
          entry("general.architecture", 8, new Bytes().string("test")),
          entry("tokens", 9, new Bytes().u32(8).u64(3).string("a").string("bc").string("")),
          entry("scores", 9, new Bytes().u32(6).u64(2).u32(1).u32(2)),
        ],
        tensors: [
          { name: "x", dims: [32, 2], type: 8, offset: 0 },
          { name: "y", dims: [4], type: 0, offset: 96 },
        ],
        data: 128,
      }),
    ];
    const before = process.memoryUsage().arrayBuffers;
    let refused = 0;
    for (let i = 0; i < 100_000; i++) {
      const file = pick(samples).slice();
      for (let n = integer(1, 4); n > 0; n--) {
        const at = integer(0, Math.min(file.length - 1, 1200));
        file[at] = pick([0, 1, 7, 8, 9, 255, integer(0, 255), file[at] ^ (1 << integer(0, 7))]);
      }
      const cut = i % 5 === 0 ? file.subarray(0, integer(0, file.length)) : file;
      try {
        for (const { data, byteLength } of readGguf(cut).tensors.values()) {
          if (data.length !== byteLength) throw new Error("a view of another length");
        }
      } catch (error) {
        if (!(error instanceof RangeError) || !error.message.startsWith('"file" expected '))
          throw error;
        if (error.message.length > 400) throw new Error(`a long message: ${error.message}`);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(50_000);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 26);
  });
});
