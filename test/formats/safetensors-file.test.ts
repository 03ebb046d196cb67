import { describe, expect, it } from "vitest";
import { createLinear, dequantizeInt4, linear } from "../../src/entries/index.ts";
import {
  loadTensor,
  openSafetensors,
  quantizeSafetensors,
  readSafetensors,
  readSafetensorsHeader,
  type SafeTensor,
  tensorFloats,
  tensorValues,
  writeSafetensors,
} from "../../src/formats/index.ts";
import { ofType } from "../support/narrow.ts";
import { noise } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const bytesOf = (array: ArrayBufferView) =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const f32 = (shape: readonly number[], values: ArrayLike<number>): SafeTensor => ({
  dtype: "F32",
  shape,
  data: bytesOf(Float32Array.from(values)),
});
const sourceOf = (file: Uint8Array, log: number[] = []) => ({
  size: file.length,
  read(offset: number, length: number) {
    log.push(length);
    return Promise.resolve(file.slice(offset, offset + length));
  },
});

describe("files that are read tensor by tensor", () => {
  const file = writeSafetensors(
    [
      ["w", f32([2, 3], [1, 2, 3, 4, 5, 6])],
      ["b", { dtype: "U8", shape: [2], data: Uint8Array.of(7, 8) }],
    ],
    [["format", "pt"]],
  );

  it("reads headers, and then what is asked for", async () => {
    const log: number[] = [];
    const opened = await openSafetensors(sourceOf(file, log));
    expect(log).toEqual([8, file.length - 8 - 26]);
    expect([...opened.tensors]).toEqual([
      ["w", { dtype: "F32", shape: [2, 3], offset: file.length - 26, length: 24 }],
      ["b", { dtype: "U8", shape: [2], offset: file.length - 2, length: 2 }],
    ]);
    expect(opened.metadata.get("format")).toBe("pt");
    expect(await opened.read("w")).toEqual(readSafetensors(file).tensors.get("w"));
    expect([...(await opened.readPart("b", 1, 1))]).toEqual([8]);
    await expect(opened.read("x")).rejects.toThrow('"name" expected a tensor of the file, got "x"');
    await expect(opened.readPart("b", 1, 2)).rejects.toThrow('"length" expected an integer');
  });

  it("refuses bytes that are not those asked for, and says what came", async () => {
    for (const [bytes, got] of [
      [new Uint8Array(7), "got 7 bytes"],
      [null, "got null"],
      [[1, 2], "got [1, 2]"],
    ] as const) {
      const source = { size: file.length, read: async () => bytes as never };
      const message = `"source.read(0, 8)" expected 8 bytes, ${got}`;
      await expect(openSafetensors(source)).rejects.toThrow(message);
    }
  });

  it("reads the header of a file of 3 GB from its first bytes", () => {
    const text = '{"w":{"dtype":"U8","shape":[3000000000],"data_offsets":[0,3000000000]}}';
    const head = new Uint8Array(8 + text.length + 5);
    new DataView(head.buffer).setUint32(0, text.length, true);
    head.set(new TextEncoder().encode(text), 8);
    const { tensors, size } = readSafetensorsHeader(head);
    const entry = { dtype: "U8", shape: [3e9], offset: 8 + text.length, length: 3e9 };
    expect(tensors.get("w")).toEqual(entry);
    expect(size).toBe(8 + text.length + 3e9);
    expect(() => readSafetensorsHeader(head.subarray(0, 40))).toThrow("at most 32 bytes");
  });

  it("reads a checkpoint in several files by its index", async () => {
    const parts: Record<string, Uint8Array> = {
      "a.safetensors": writeSafetensors([["x", f32([1], [1])]]),
      "b.safetensors": writeSafetensors([["y", f32([1], [2])]]),
    };
    const map = { x: "a.safetensors", y: "b.safetensors" };
    const index = (weight_map: object) => JSON.stringify({ metadata: {}, weight_map });
    const open = (name: string) => parts[name];
    const opened = await openSafetensors({ index: index(map), open });
    expect([...opened.tensors.keys()]).toEqual(["x", "y"]);
    expect([...tensorValues(await opened.read("y"))]).toEqual([2]);
    const fail = (given: object | string, message: RegExp) =>
      expect(
        openSafetensors({ index: typeof given === "string" ? given : index(given), open }),
      ).rejects.toThrow(message);
    await fail("{", /"source.index" expected JSON/);
    await fail("[]", /"source.index.weight_map" expected an object/);
    await fail({ x: "../a" }, /names of files in its folder, got "..\/a"/);
    await fail({ x: "b.safetensors" }, /"source.index" expected "x" in "b.safetensors"/);
    parts["b.safetensors"] = parts["a.safetensors"];
    await fail(map, /in "b.safetensors"|each tensor in one file/);
  });

  it.each([
    ["no source", 5, TypeError],
    ["a size that is none", { size: -1, read: () => new Uint8Array(0) }, TypeError],
    ["a file of 3 bytes", new Uint8Array(3), RangeError],
    ["a file with more data", new Uint8Array([...file, 0]), RangeError],
    ["a file with less data", file.subarray(0, file.length - 1), RangeError],
    ["a source that reads less", { size: file.length, read: () => new Uint8Array(1) }, RangeError],
  ])("refuses %s", async (_, source, fault) => {
    await expect(openSafetensors(source as never)).rejects.toThrow(fault as never);
  });
});

describeTiers("values of safetensors", (instance) => {
  const tensor = (dtype: string, data: ArrayBufferView, shape = [4]): SafeTensor => ({
    dtype: dtype as "F32",
    shape,
    data: bytesOf(data),
  });
  const floats = (given: SafeTensor) => [...tensorFloats(instance, given)];

  it("decodes reals of every type", () => {
    expect(floats(tensor("F32", Float32Array.of(1, -2, 0.5, 3)))).toEqual([1, -2, 0.5, 3]);
    expect(floats(tensor("F64", Float64Array.of(1, -2, 0.1, 3)))[2]).toBe(Math.fround(0.1));
    expect(floats(tensor("F16", Uint16Array.of(0x3c00, 0xc000, 0x7c00, 1)))).toEqual([
      1,
      -2,
      Infinity,
      2 ** -24,
    ]);
    expect(floats(tensor("BF16", Uint16Array.of(0x3f80, 0xc000, 0x7f80, 1)))).toEqual([
      1,
      -2,
      Infinity,
      2 ** -133,
    ]);
    expect(floats(tensor("F8_E4M3", Uint8Array.of(0x38, 0xfe, 0x01, 0x7f)))).toEqual([
      1,
      -448,
      2 ** -9,
      NaN,
    ]);
    expect(floats(tensor("F8_E5M2", Uint8Array.of(0x3c, 0xfb, 0x01, 0x7c)))).toEqual([
      1,
      -57344,
      2 ** -16,
      Infinity,
    ]);
    expect(floats(tensor("F8_E8M0", Uint8Array.of(127, 0, 254, 255)))).toEqual([
      1,
      2 ** -127,
      2 ** 127,
      NaN,
    ]);
    expect(() => floats(tensor("I64", BigInt64Array.of(1n)))).toThrow(
      '"tensor.dtype" expected F32',
    );
  });

  it("views aligned data, and copies others", () => {
    const host = new Uint8Array(24);
    const aligned = tensor("F32", host.subarray(4, 20));
    expect(tensorValues(aligned).buffer).toBe(host.buffer);
    host.set(bytesOf(Float32Array.of(1, 2, 3, 4)), 5);
    expect([...tensorValues(tensor("F32", host.subarray(5, 21)))]).toEqual([1, 2, 3, 4]);
    expect(() => tensorValues(tensor("F32", host.subarray(0, 3)))).toThrow("a multiple of 4 bytes");
  });

  it("makes a layer in one call", () => {
    const { integer } = noise(4);
    const weights = Float32Array.from({ length: 12 }, () => integer(-9, 9));
    using loaded = ofType(loadTensor(instance, f32([3, 4], weights)), "f32");
    expect(loaded.shape).toEqual([3, 4]);
    using layer = createLinear(instance, { weights: loaded, orientation: "out-in" });
    expect(layer).toMatchObject({ inFeatures: 4, outFeatures: 3 });
    using codes = loadTensor(instance, { dtype: "I8", shape: [2], data: Uint8Array.of(255, 1) });
    expect(codes.dtype).toBe("i8");
    expect([...codes.data]).toEqual([-1, 1]);
    void linear;
  });

  it.each([4, 8, 16] as const)("quantizes a checkpoint to %i bits", async (bits) => {
    const { integer } = noise(bits);
    const values = Float32Array.from({ length: 40 * 64 }, () => integer(-999, 999) / 500);
    const halves = new Uint16Array(64 * 32).fill(0x3c00);
    const source = writeSafetensors(
      [
        ["w", f32([40, 8, 8], values)],
        ["h", { dtype: "BF16", shape: [64, 32], data: bytesOf(halves) }],
        ["bias", f32([40], values.subarray(0, 40))],
        ["nan", f32([64, 32], new Float32Array(2048).fill(Number.NaN, 2047))],
        ["ids", { dtype: "I64", shape: [1], data: new Uint8Array(8) }],
      ],
      [["format", "pt"]],
    );
    const chunks: Uint8Array[] = [];
    const seen: number[] = [];
    const report = await quantizeSafetensors(instance, sourceOf(source), {
      bits,
      write: (bytes) => void chunks.push(bytes.slice()),
      onProgress: ({ done, total }) => seen.push(done / total),
    });
    const file = new Uint8Array(Buffer.concat(chunks));
    expect(report.bytes).toBe(file.length);
    expect(seen.at(-1)).toBe(1);
    const { tensors, metadata } = readSafetensors(file);
    expect(metadata.get("format")).toBe("pt");
    const noted = JSON.parse(metadata.get("bytelane")!).tensors;
    expect(Object.keys(noted).sort()).toEqual(["h", "w"]);
    expect(noted.w).toEqual({ bits, shape: [40, 8, 8], ...(bits === 4 ? { blockSize: 32 } : {}) });
    const before = readSafetensors(source).tensors;
    for (const name of ["bias", "nan", "ids"]) expect(tensors.get(name)).toEqual(before.get(name));
    const w = tensors.get("w")!;
    let restored: Float32Array;
    if (bits === 16) restored = tensorFloats(instance, w);
    else {
      const scales = tensorFloats(instance, tensors.get("w.scales")!);
      const codes = tensorValues(w);
      restored =
        bits === 8
          ? new Float32Array(codes.length).map(
              (_, i) => Number(codes[i]) * scales[Math.floor(i / 64)],
            )
          : dequantizeInt4(instance, {
              ...{ outFeatures: 40, inFeatures: 64, blockSize: 32, values: w.data },
              scale: scales,
            });
    }
    const worst = Math.max(...restored.map((value, i) => Math.abs(value - values[i])));
    expect(worst).toBeLessThan({ 4: 0.3, 8: 0.01, 16: 0.001 }[bits]);
    const own = report.tensors.find(({ name }) => name === "w")!;
    expect(own).toMatchObject({ bits, reason: undefined, bytesBefore: values.byteLength });
    expect(own.sqnr).toBeGreaterThan({ 4: 15, 8: 38, 16: 60 }[bits]);
    const reasons = Object.fromEntries(report.tensors.map(({ name, reason }) => [name, reason]));
    expect(reasons.bias).toBe("fewer than two dimensions");
    expect(reasons.ids).toBe("I64, not reals");
    expect(reasons.nan).toBe(bits === 16 ? "holds values beyond f16" : "holds NaN or Infinity");
  });

  it.each([
    [{ write: 5 }, '"options.write" expected a function'],
    [{ bits: 3, write() {} }, '"options.bits" expected one of 4, 8, 16'],
    [{ bit: 4, write() {} }, "unknown option"],
  ])("refuses the options %o", async (options, message) => {
    const source = writeSafetensors([]);
    await expect(quantizeSafetensors(instance, source, options as never)).rejects.toThrow(message);
  });
});
