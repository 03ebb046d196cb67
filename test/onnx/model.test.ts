import { expect, it } from "vitest";
import { Graphs } from "../../src/onnx/graph.ts";
import { decodeModel, encodeModel, join } from "../../src/onnx/model.ts";
import { TensorReader } from "../../src/onnx/source.ts";
import { tensorBytes } from "../../src/onnx/tensor-data.ts";
import * as file from "../support/onnx.ts";

const { concat, field } = file;
const unknown = (text: string) => concat(field(90, text), file.varint(91 * 8 + 5), [1, 2, 3, 4]);

/** A file with an unknown field in every message. */
function strange(raw: ArrayLike<number>): file.Bytes {
  const tensor = concat(file.tensor("w", 1, [2, raw.length / 8], raw), unknown("in tensor"));
  const attribute = concat(file.attribute("mode", [1, 2]), unknown("in attribute"));
  const node = concat(
    file.node("Strange", ["x", "w"], ["y"], [attribute], "some.where"),
    unknown("in node"),
  );
  const extra = concat(
    unknown("in graph"),
    field(13, concat(file.value("y"), unknown("in value"))),
  );
  const graph = { nodes: [node], tensors: [tensor], extra };
  return file.model(graph, {
    extra: concat(unknown("in model"), field(14, concat(field(1, "k"), field(2, "v")))),
  });
}

/** Every field of a message at any depth, in an order that does not depend on the file's. */
function fields(bytes: Uint8Array): string {
  const seen: string[] = [];
  let at = 0;
  const next = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = next();
    const wire = tag & 7;
    const size = wire === 2 ? next() : wire === 0 ? 0 : wire === 5 ? 4 : 8;
    if (wire === 0) seen.push(`${tag}=${next()}`);
    else {
      const part = bytes.subarray(at, at + size);
      at += size;
      const isMessage = [58, 42, 10, 90, 98].includes(tag) && size > 0 && part[0] < 128;
      seen.push(`${tag}:${isMessage ? sorted(part) : [...part].join(" ")}`);
    }
  }
  return seen.sort().join(";");
}
const sorted = (part: Uint8Array): string => [...part].sort((a, b) => a - b).join(" ");

it.each([16, 8192])(
  "writes what it does not know as it read it, beside tensors of %i bytes",
  (size) => {
    const raw = Uint8Array.from({ length: size }, (_, i) => i % 251);
    const bytes = strange(raw);
    const again = join(encodeModel(decodeModel(bytes)));
    expect(again.length).toBe(bytes.length);
    expect(fields(again) === fields(bytes)).toBe(true);
    // and what it wrote it reads the same
    expect(join(encodeModel(decodeModel(again)))).toEqual(again);
  },
);

it("finds a tensor's reals in raw data, packed lists, single fields and halves", () => {
  const reals = [1, -2.5, 3, 0.125];
  const bytes = file.floats(reals);
  const dims = concat(field(1, 4), field(2, 1), field(8, "w"));
  const singles = reals.map((each) => concat(file.varint(4 * 8 + 5), file.floats([each])));
  const forms = [
    file.tensor("w", 1, [4], bytes),
    concat(dims, field(4, bytes)),
    concat(dims, ...singles),
    concat(dims, field(4, bytes.subarray(0, 8)), field(4, bytes.subarray(8))),
  ];
  for (const form of forms) {
    const model = decodeModel(
      file.model({ nodes: [file.node("Add", ["x", "w"], ["y"])], tensors: [form] }),
    );
    const got = tensorBytes(model.graph!.initializer[0]);
    expect([...got]).toEqual([...bytes]);
  }
  const halves = concat(
    field(1, 2),
    field(2, 10),
    field(8, "w"),
    field(5, concat(file.varint(0x3c00), file.varint(0xc000))),
  );
  const model = decodeModel(
    file.model({ nodes: [file.node("Add", ["x", "w"], ["y"])], tensors: [halves] }),
  );
  expect([...tensorBytes(model.graph!.initializer[0])]).toEqual([0, 0x3c, 0, 0xc0]);
});

const plain = (): file.Bytes =>
  file.model({
    nodes: [file.node("MatMul", ["x", "w"], ["y"])],
    tensors: [file.tensor("w", 1, [4, 4], file.floats(Array(16).fill(1)))],
  });

it("refuses a file that ends anywhere before its end, or reads less of the same", () => {
  const bytes = plain();
  for (let end = 0; end < bytes.length; end++) {
    const part = bytes.slice(0, end);
    try {
      decodeModel(part);
    } catch (fault) {
      expect(fault).toBeInstanceOf(RangeError);
      expect((fault as Error).message).toMatch(/^"source" expected an ONNX/);
    }
  }
});

it.each([
  ["text", new TextEncoder().encode("<!doctype html><html></html>")],
  ["zeros", new Uint8Array(64)],
  ["a varint without end", new Uint8Array(64).fill(0xff)],
  ["a message alone", field(1, 8)],
  [
    "no operator set",
    concat(field(1, 8), field(7, file.graph({ nodes: [file.node("Relu", ["x"], ["y"])] }))),
  ],
  ["a group", concat(plain(), [0x0b, 0x0c])],
  ["another wire type", concat(plain(), field(7, 5))],
])("refuses %s", (_, bytes) => {
  expect(() => decodeModel(bytes)).toThrow(RangeError);
});

it("refuses millions of empty messages before it makes them", () => {
  const graph = new Uint8Array(2 ** 22);
  for (let i = 0; i < graph.length; i += 2) graph[i] = 1 * 8 + 2;
  const before = process.memoryUsage().heapUsed;
  expect(() => decodeModel(concat(field(7, graph), field(8, field(2, 17))))).toThrow(
    /at most \d+ messages/,
  );
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(2 ** 24);
});

it("refuses graphs inside graphs without end", () => {
  let inner = file.graph({ nodes: [file.node("Relu", ["x"], ["y"])] });
  for (let depth = 0; depth < 100; depth++) {
    const body = concat(field(1, "body"), field(6, inner), field(20, 5));
    inner = file.graph({ nodes: [file.node("Loop", ["x"], ["y"], [body])] });
  }
  expect(() => decodeModel(concat(field(7, inner), field(8, field(2, 17))))).toThrow(/64 deep/);
});

it.each([
  [
    "a cycle",
    [file.node("Add", ["x", "b"], ["a"]), file.node("Relu", ["a"], ["b"])],
    /without cycles, got one through node "a"/,
  ],
  [
    "a value made twice",
    [file.node("Relu", ["x"], ["y"]), file.node("Relu", ["x"], ["y"])],
    /each value made once, got "y"/,
  ],
])("refuses %s", (_, nodes, message) => {
  expect(() => new Graphs(decodeModel(file.model({ nodes })))).toThrow(message);
});

it("takes nodes in any order that has no cycle", () => {
  const nodes = [file.node("Relu", ["a"], ["y"]), file.node("Relu", ["x"], ["a"])];
  expect(new Graphs(decodeModel(file.model({ nodes }))).scopes.length).toBe(1);
});

it("refuses an initializer twice", () => {
  const w = file.tensor("w", 1, [1], file.floats([1]));
  const model = decodeModel(
    file.model({ nodes: [file.node("Add", ["x", "w"], ["y"])], tensors: [w, w] }),
  );
  expect(() => new Graphs(model)).toThrow(/each name once, got "w"/);
});

function external(location: string, length?: string, offset = "0"): file.Bytes {
  const entry = (key: string, value: string) => field(13, concat(field(1, key), field(2, value)));
  return concat(
    ...[
      field(1, 4),
      field(2, 1),
      field(8, "w"),
      entry("location", location),
      entry("offset", offset),
    ],
    ...(length === undefined ? [] : [entry("length", length)]),
    field(14, 1),
  );
}

const withExternal = (tensor: file.Bytes) =>
  file.model({ nodes: [file.node("Add", ["x", "w"], ["y"])], tensors: [tensor] });

it.each(["../w", "/etc/w", "a/../../w", "C:/w", "c:w", "a\\..\\w", "", "a//b", "file:w", "w\0"])(
  "refuses external data at %j",
  async (location) => {
    const bytes = withExternal(external(location));
    const externalData = () => {
      throw new Error("was opened");
    };
    const reader = new TensorReader({ model: bytes, externalData });
    const [tensor] = decodeModel(bytes).graph!.initializer;
    await expect(reader.bytes(tensor)).rejects.toThrow(/tensor "w" inside the model's folder/);
  },
);

it.each([
  [
    "a length that is not the tensor's",
    external("w", "20"),
    /16 bytes of data for tensor "w", got 20/,
  ],
  ["an offset that is no number", external("w", "16", "-1"), /an offset of tensor "w", got "-1"/],
  [
    "an offset beyond the file",
    external("w", "16", "9"),
    /within the 24 bytes of "w", got bytes 9 to 25/,
  ],
  [
    "an offset beyond all numbers",
    external("w", "16", "99999999999999999"),
    /an offset of tensor "w"/,
  ],
])("refuses external data with %s", async (_, tensor, message) => {
  const bytes = withExternal(tensor);
  const reader = new TensorReader({ model: bytes, externalData: () => new Uint8Array(24) });
  await expect(reader.bytes(decodeModel(bytes).graph!.initializer[0])).rejects.toThrow(message);
});

it("reads external data from bytes and from a source, opened once", async () => {
  const bytes = withExternal(external("data/w.bin", "16", "8"));
  const data = concat(new Uint8Array(8), file.floats([1, 2, 3, 4]));
  const [tensor] = decodeModel(bytes).graph!.initializer;
  let opened = 0;
  const source = {
    size: data.length,
    read: async (offset: number, length: number) => data.slice(offset, offset + length),
  };
  const open = <S>(given: S): S => {
    opened++;
    return given;
  };
  for (const given of [data, source]) {
    const reader = new TensorReader({ model: bytes, externalData: () => open(given) });
    for (let time = 0; time < 2; time++) {
      expect([...(await reader.bytes(tensor))]).toEqual([...data.subarray(8)]);
    }
  }
  expect(opened).toBe(2);
  const short = { size: 24, read: () => new Uint8Array(3) };
  const reader = new TensorReader({ model: bytes, externalData: () => short });
  await expect(reader.bytes(tensor)).rejects.toThrow(/read\(8, 16\)" expected 16 bytes/);
  await expect(new TensorReader(bytes).bytes(tensor)).rejects.toThrow(/source.externalData/);
});

it("refuses tensors whose data are not what type and dimensions say", () => {
  const tensors = [
    file.tensor("w", 1, [4, 4], new Uint8Array(60)),
    file.tensor("w", 1, [2 ** 40, 2 ** 40], new Uint8Array(4)),
    file.tensor("w", 77, [1], new Uint8Array(4)),
    concat(field(1, 2 ** 50), field(2, 10), field(8, "w"), field(5, [1, 2])),
  ];
  for (const tensor of tensors) {
    const model = decodeModel(
      file.model({ nodes: [file.node("Add", ["x", "w"], ["y"])], tensors: [tensor] }),
    );
    expect(() => tensorBytes(model.graph!.initializer[0])).toThrow(/tensor "w"/);
  }
});
