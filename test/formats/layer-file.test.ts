import { expect, it } from "vitest";
import {
  createBytelaneSync,
  createLinear,
  createTable,
  dequantize,
  gather,
  type Int4Matrix,
  linear,
  quantizeDynamic,
  quantizeInt4,
  quantizeRows,
  tensor,
} from "../../src/entries/index.ts";
import {
  loadLayers,
  readSafetensors,
  type SafeTensor,
  saveLayers,
  writeSafetensors,
} from "../../src/formats/index.ts";
import { entryOf } from "../support/narrow.ts";
import { bytes, expectSame, finite, noise } from "../support/samples.ts";
import { describeTiers, TIERS } from "../support/tiers.ts";

const [DEPTH, N] = [75, 21];
const shape = [DEPTH, N] as const;
const weights = finite(DEPTH * N, 1);
const bias = finite(N, 2);
const x = finite(3 * DEPTH, 3);

type BlockKind = "eight" | "eightZeros" | "eightOffsets" | "offsets" | "fractional";

/** Matrices of N rows in blocks of 16: of 8 bits, with zero points and without, with offsets. */
function blockMatrices(): Record<BlockKind, Int4Matrix> {
  const blocks = Math.ceil(DEPTH / 16);
  const rest = { outFeatures: N, inFeatures: DEPTH, blockSize: 16 } as const;
  const scale = finite(N * blocks, 5);
  const codes = bytes("u8", N * blocks * 16, 6);
  const halves = Uint16Array.from(scale, (_, i) => 0x2000 + i);
  const nibbles = { ...rest, values: codes.subarray(0, codes.length / 2), scale };
  return {
    eight: { ...rest, bits: 8, values: codes, scale },
    eightZeros: {
      ...{ ...rest, bits: 8, values: codes, scale: halves },
      zeroPoint: bytes("u8", N * blocks, 7),
    },
    eightOffsets: {
      ...rest,
      bits: 8,
      values: codes,
      scale: halves,
      offset: halves.slice().reverse(),
    },
    offsets: { ...nibbles, offset: finite(N * blocks, 8) },
    fractional: { ...nibbles, zeroPoint: finite(N * blocks, 9) },
  };
}

/** Layers of every kind, by name. */
function layersOf(instance: Parameters<typeof createLinear>[0]) {
  const int4 = { format: "int4", weights, shape } as const;
  return {
    plain: createLinear(instance, int4),
    zeros: createLinear(instance, {
      ...{ ...int4, scheme: "asymmetric", scaleType: "f32", blockSize: 16 },
      ...{ bias, activation: "relu6" },
    }),
    channel: createLinear(instance, { ...int4, blockSize: "channel", activations: "f32" }),
    int8: createLinear(instance, { weights, shape, bias, activation: { low: -3 } }),
    int7: createLinear(instance, { weights, shape, bits: 7 }),
    given: createLinear(instance, {
      ...{ weights: bytes("u8", DEPTH * N, 4), shape, scale: 0.01 },
      zeroPoint: Int32Array.from({ length: N }, (_, j) => j * 12),
    }),
    eightBlocks: createLinear(instance, { format: "int4", weights: blockMatrices().eight, bias }),
    eightZeros: createLinear(instance, { format: "int4", weights: blockMatrices().eightZeros }),
    eightOffsets: createLinear(instance, {
      ...{ format: "int4", weights: blockMatrices().eightOffsets, activations: "f32" },
    }),
    offsets: createLinear(instance, { format: "int4", weights: blockMatrices().offsets }),
    fractional: createLinear(instance, { format: "int4", weights: blockMatrices().fractional }),
    static: createLinear(instance, {
      ...{ weights, shape, bias, activation: "relu" },
      activations: { dtype: "u8", scale: 1.2, zeroPoint: 128 },
      output: { dtype: "i8", scale: 300, zeroPoint: -100 },
    }),
  } as const;
}

describeTiers("saved layers", (instance, tier) => {
  it.each(TIERS)("come back as they were, in an instance of tier %s", (other) => {
    const layers = layersOf(instance);
    const matrix = quantizeInt4(instance, weights, { shape, scheme: "asymmetric" });
    const table = createTable(instance, matrix);
    const held = tensor(instance, "i32", [2, 3], [1, -2, 3, -4, 5, -6]);
    const file = saveLayers(instance, { ...layers, table, held, x }, { made: "by a test" });
    const target = createBytelaneSync({ tier: other });
    const loaded = loadLayers(target, file);
    expect([...loaded.metadata]).toEqual([["made", "by a test"]]);
    expect([...loaded.layers.keys()]).toEqual([...Object.keys(layers), "table", "held", "x"]);
    for (const [name, layer] of Object.entries(layers)) {
      const back = entryOf(loaded, name, "int8", "int4");
      expect([back.inFeatures, back.outFeatures]).toEqual([DEPTH, N]);
      const got = linear(back, x);
      expectSame(got, linear(layer, x), name);
    }
    const ids = [20, 0, 7];
    expectSame(gather(entryOf(loaded, "table", "table"), ids), gather(table, ids));
    expect(loaded.layers.get("held")).toMatchObject({ dtype: "i32", shape: [2, 3] });
    expectSame(entryOf(loaded, "held", "tensor").data, held.data);
    expectSame(entryOf(loaded, "x", "tensor").data, x);
    // saved again, the file is the same
    const again = saveLayers(target, Object.fromEntries(loaded.layers), { made: "by a test" });
    expect(again).toEqual(file);
    for (const handle of [...Object.values(layers), table, held]) handle.dispose();
  });

  it("bring tables in blocks of every kind, copied or where they lie", () => {
    for (const [name, matrix] of Object.entries(blockMatrices())) {
      using table = createTable(instance, matrix);
      const file = saveLayers(instance, { table });
      const wanted = table.toArray();
      using host = tensor(instance, "u8", [file.length], file);
      const used = instance.bytesUsed;
      const inside = entryOf(loadLayers(instance, host), "table", "table");
      expect(instance.bytesUsed, name).toBe(used);
      const copied = entryOf(loadLayers(instance, file), "table", "table");
      for (const back of [inside, copied]) {
        expect([back.bits, back.blockSize]).toEqual([table.bits, 16]);
        expect(back.byteLength).toBe(table.byteLength);
        expectSame(back.toArray(), wanted, name);
      }
      expect(saveLayers(instance, { table: copied })).toEqual(file);
      copied.dispose();
    }
  });

  it("are used where they lie, in a file that is a tensor", () => {
    const layers = layersOf(instance);
    const table = createTable(instance, quantizeInt4(instance, weights, { shape }));
    const file = saveLayers(instance, { plain: layers.plain, zeros: layers.zeros, table, x });
    const host = tensor(instance, "u8", [file.length], file);
    const used = instance.bytesUsed;
    const loaded = loadLayers(instance, host);
    expect(instance.bytesUsed).toBe(used);
    const { plain, zeros } = layers;
    for (const [name, layer] of Object.entries({ plain, zeros })) {
      const got = linear(entryOf(loaded, name, "int8", "int4"), x);
      expectSame(got, linear(layer, x), name);
    }
    const rows = gather(entryOf(loaded, "table", "table"), [3]);
    const wanted = gather(table, [3]);
    expectSame(rows, wanted);
    // growth detaches views, not addresses
    using large = tensor(instance, "u8", [instance.bytesReserved]);
    expect(large.length).toBeGreaterThan(0);
    linear(entryOf(loaded, "plain", "int4"), x);
    host.dispose();
    const layer = entryOf(loaded, "plain", "int4");
    expect(() => linear(layer, x)).toThrow('"layer" expected a live handle');
    expect(() => gather(entryOf(loaded, "table", "table"), [3])).toThrow("live handle");
    for (const handle of [...Object.values(layers), table]) handle.dispose();
  });

  it("are copied where their alignment does not allow it", () => {
    using layer = createLinear(instance, { format: "int4", weights, shape, bias });
    const { tensors, metadata } = readSafetensors(saveLayers(instance, { layer }));
    // one byte more in the header moves all data by one
    const file = writeSafetensors(tensors, metadata);
    const moved = new Uint8Array(file.length + 1);
    moved.set(file.subarray(0, 9));
    moved[9] = 0x20;
    moved.set(file.subarray(9), 10);
    new DataView(moved.buffer).setUint32(0, new DataView(file.buffer).getUint32(0, true) + 1, true);
    using host = tensor(instance, "u8", [moved.length], moved);
    const used = instance.bytesUsed;
    using back = entryOf(loadLayers(instance, host), "layer", "int4");
    expect(instance.bytesUsed - used).toBeGreaterThanOrEqual(layer.byteLength);
    expectSame(linear(back, x), linear(layer, x));
  });

  it("have blocks of any length of nibbles, and of at most 65 536 bytes", () => {
    const depth = 65_540;
    const ones = new Float32Array(depth).fill(1);
    const options = { format: "int4", weights: ones, shape: [depth, 1] } as const;
    using layer = createLinear(instance, { ...options, blockSize: "channel" });
    const file = saveLayers(instance, { layer });
    using back = entryOf(loadLayers(instance, file), "layer", "int4");
    expectSame(linear(back, ones), linear(layer, ones));
    const { tensors, metadata } = readSafetensors(file);
    const scheme = JSON.parse(metadata.get("bytelane")!);
    scheme.layers.layer.codes = "bytes";
    const wide = writeSafetensors(tensors, [["bytelane", JSON.stringify(scheme)]]);
    expect(() => loadLayers(instance, wide)).toThrow("blocks of at most 65536 in layer, got 65540");
  });

  it("are refused where the file does not hold what its metadata say", () => {
    const { int8, static: fixed, plain, zeros, ...rest } = layersOf(instance);
    for (const layer of Object.values(rest)) layer.dispose();
    const table = createTable(instance, quantizeInt4(instance, weights, { shape }));
    const file = saveLayers(instance, { int8, fixed, plain, zeros, table, x });
    for (const layer of [int8, fixed, plain, zeros, table]) layer.dispose();
    const { tensors, metadata } = readSafetensors(file);
    const scheme = JSON.parse(metadata.get("bytelane")!);
    const used = instance.bytesUsed;

    type Change = (scheme: Record<string, Record<string, unknown>>) => void;
    const changed = (change: Change, tensor?: [string, SafeTensor | undefined]) => {
      const copy = structuredClone(scheme);
      change(copy.layers);
      const list = new Map(tensors);
      if (tensor?.[1]) list.set(tensor[0], tensor[1]);
      else if (tensor) list.delete(tensor[0]);
      return writeSafetensors(list, [["bytelane", JSON.stringify(copy)]]);
    };
    const fail = (bytes: Uint8Array, message: string) => {
      expect(() => loadLayers(instance, bytes)).toThrow(message);
      expect(instance.bytesUsed).toBe(used);
    };
    const keep: Change = () => {};
    const set =
      (layer: string, fields: object): Change =>
      (layers) => {
        Object.assign(layers[layer], fields);
      };
    const words = (length: number, value: number) =>
      new Uint8Array(new Uint32Array(length).fill(value).buffer);

    fail(writeSafetensors(tensors), 'metadata with the key "bytelane", got "none"');
    fail(writeSafetensors(tensors, [["bytelane", "{"]]), 'JSON under "bytelane", got "{"');
    fail(writeSafetensors(tensors, [["bytelane", "1"]]), "an object as the metadata, got 1");
    fail(
      writeSafetensors(tensors, [["bytelane", '{"version":2}']]),
      "version of the metadata in [1, 1], got 2",
    );
    fail(
      writeSafetensors(tensors, [["bytelane", '{"version":1}']]),
      "an object as layers of the metadata",
    );
    fail(
      changed((layers) => Object.assign(layers, { plain: null })),
      'an object as layer "plain", got null',
    );
    fail(
      changed(set("plain", { kind: "int3" })),
      'one of int4, table, int8, quantized, tensor as kind of layer "plain"',
    );
    fail(
      changed(set("plain", { inFeatures: 0 })),
      'inFeatures of layer "plain" in [1, 1048576], got 0',
    );
    fail(changed(set("plain", { inFeatures: 76.5 })), 'inFeatures of layer "plain"');
    fail(changed(set("plain", { inFeatures: 2 ** 20 })), 'elements in tensor "plain.panels"');
    fail(changed(set("plain", { outFeatures: 2 ** 31 - 1 })), 'elements in tensor "plain.panels"');
    fail(changed(set("plain", { outFeatures: "21" })), 'outFeatures of layer "plain"');
    fail(changed(set("plain", { blockSize: 64 })), 'elements in tensor "plain.scales"');
    fail(changed(set("plain", { blockSize: 48 })), "a block size that int4 has, got 48");
    fail(changed(set("plain", { blockSize: 3 })), 'blockSize of layer "plain"');
    fail(
      changed(set("plain", { activations: "i16" })),
      'one of dynamic, f32 as activations of layer "plain"',
    );
    fail(changed(set("plain", { low: "0" })), 'a number as low of layer "plain", got "0"');
    fail(changed(set("zeros", { low: 1, high: 0 })), "bounds in order, got [1, 0]");
    fail(changed(keep, ["plain.panels", undefined]), 'a tensor "plain.panels", got "none"');
    const wrong: SafeTensor = { ...tensors.get("plain.panels")!, dtype: "I8" };
    fail(changed(keep, ["plain.panels", wrong]), 'tensor "plain.panels" of U8, got "I8"');
    const short: SafeTensor = { dtype: "F32", shape: [8], data: words(8, 0) };
    fail(changed(keep, ["zeros.bias", short]), '24 elements in tensor "zeros.bias", got 8');
    const infinite = tensors.get("zeros.scales")!;
    const nan = { ...infinite, data: words(infinite.data.length / 4, 0x7fc00000) };
    fail(changed(keep, ["zeros.scales", nan]), 'finite numbers in "zeros.scales"');
    const half = tensors.get("plain.scales")!;
    const inf = { ...half, data: half.data.slice().fill(0x7c) };
    fail(changed(keep, ["plain.scales", inf]), 'finite numbers in "plain.scales"');
    fail(changed(set("table", { rows: 22 })), 'elements in tensor "table.values"');
    fail(changed(set("table", { columns: 0 })), 'columns of layer "table"');
    fail(changed(keep, ["table.zeros", short]), 'tensor "table.zeros" of U8, got "F32"');
    fail(changed(set("x", { dtype: "f64" })), 'one of f32, i32, i8, u8 as dtype of layer "x"');
    fail(changed(set("x", { shape: 225 })), 'a list as shape of layer "x", got 225');
    fail(changed(set("x", { shape: [5, -45] })), '"file" expected integers of at least 0');
    fail(changed(set("x", { shape: [5, 44] })), '220 elements in tensor "x", got 225');
    fail(changed(set("int8", { result: "i32" })), 'one of f32, i8, u8 as result of layer "int8"');
    fail(changed(set("fixed", { low: 1e30 })), 'low of layer "fixed" in [-128, 127]');
    fail(changed(set("fixed", { high: undefined })), 'high of layer "fixed" in [-100, 127]');
    fail(changed(set("fixed", { zeroPoint: 200 })), 'zeroPoint of layer "fixed" in [-128, 127]');
    fail(changed(set("fixed", { scale: null })), 'a number as scale of layer "fixed"');
    fail(
      changed(set("fixed", { activations: 3 })),
      'an object as activations of layer "fixed", got 3',
    );
    fail(changed(set("fixed", { low: 100, high: -100 })), 'high of layer "fixed" in [100, 127]');
    // steps that are 0 or infinite as f32
    for (const scale of [0, -1, 1e-320, 1e-46, 1e39, 1e300]) {
      const step = `a scale that is positive and finite as f32, got ${scale}`;
      fail(changed(set("fixed", { activations: { dtype: "u8", scale } })), step);
      fail(changed(set("fixed", { scale })), step);
      fail(changed(set("int8", { scale })), step);
    }
    const endless = (text: string) =>
      writeSafetensors(tensors, [
        ["bytelane", JSON.stringify(scheme).replace(/("low":-3|"scale":300)/, text)],
      ]);
    fail(endless('"scale":1e999'), "a scale that is positive and finite as f32, got Infinity");
    fail(endless('"low":1e999'), "bounds that leave numbers, got");
    fail(
      changed(set("fixed", { activations: { dtype: "i4" } })),
      "one of i8, u8 as dtype of activations of layer",
    );
    fail(
      changed(set("fixed", { activations: { dtype: "i8", scale: 1, zeroPoint: 128 } })),
      "zeroPoint of activations",
    );
    const zerosOfInt8: SafeTensor = { dtype: "I32", shape: [N], data: words(N, 128) };
    fail(changed(keep, ["int8.zeros", zerosOfInt8]), "zero points of i8");
    const negative: SafeTensor = { dtype: "F32", shape: [N], data: words(N, 0xbf800000) };
    fail(changed(keep, ["int8.scales", negative]), 'scales of at least 0 in "int8.scales"');
    fail(
      changed(set("fixed", { activations: undefined })),
      'static activations for a result of i8, got "none"',
    );
    const most: SafeTensor = { dtype: "I32", shape: [N], data: words(N, 0x7fffffff) };
    fail(
      changed(keep, ["fixed.bias", most]),
      'a depth of layer "fixed" that its accumulator holds',
    );
    fail(
      changed((layers) => Object.assign(layers, { constructor: {} })),
      'as kind of layer "constructor"',
    );
    // the same file unchanged is fine
    const { layers } = loadLayers(instance, changed(keep));
    expect(layers.size).toBe(6);
    for (const layer of layers.values()) layer.dispose();
  });

  it("come back with steps that are beyond f32", () => {
    using layer = createLinear(instance, {
      ...{ weights: Float32Array.of(0, 3e38, -3e38), shape: [1, 3] },
      ...{ activations: { scale: 1000 }, output: { scale: 1e-3 } },
    });
    using back = entryOf(loadLayers(instance, saveLayers(instance, { layer })), "layer", "int8");
    for (const each of [layer, back]) {
      expectSame(linear(each, Float32Array.of(1000)), [0, 127, -128]);
      expectSame(linear(each, Float32Array.of(0)), [0, 0, 0]);
    }
  });

  it("from a damaged file are loaded or refused, and nothing is lost", () => {
    using layer = createLinear(instance, { format: "int4", weights, shape, bias });
    using other = createLinear(instance, { weights, shape, bias });
    const file = saveLayers(instance, { layer, other });
    const header = new DataView(file.buffer).getUint32(0, true);
    const { integer } = noise(12);
    const used = instance.bytesUsed;
    let refused = 0;
    for (let i = 0; i < 1500; i++) {
      const damaged = file.slice();
      for (let n = integer(0, 2); n >= 0; n--) damaged[integer(8, 8 + header)] = integer(32, 126);
      try {
        const { layers } = loadLayers(instance, damaged);
        for (const each of layers.values()) {
          if ("inFeatures" in each) linear(each, new Float32Array(each.inFeatures));
          each.dispose();
        }
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
        refused++;
      }
      expect(instance.bytesUsed).toBe(used);
    }
    expect(refused).toBeGreaterThan(500);
  });

  it("refuse names that collide, data that are none, and handles of others", () => {
    using a = createLinear(instance, { format: "int4", weights, shape, bias });
    const fail = (call: () => unknown, message: string) => expect(call).toThrow(message);
    fail(() => saveLayers(instance, { a, "a.bias": x }), 'names that do not collide, got "a.bias"');
    fail(() => saveLayers(instance, { "a.bias": x, a }), 'names that do not collide, got "a.bias"');
    fail(() => saveLayers(instance, { a: [1] as never }), '"layers.a" expected a layer, a table');
    fail(() => saveLayers({} as never, {}), '"instance" expected an instance');
    fail(() => loadLayers({} as never, new Uint8Array(8)), '"instance" expected an instance');
    fail(
      () => loadLayers(instance, [] as never),
      '"file" expected a Uint8Array or a tensor of u8, got []',
    );
    using reals = tensor(instance, "f32", [4]);
    fail(
      () => loadLayers(instance, reals as never),
      '"file" expected a Uint8Array or a tensor of u8',
    );
    const other = createBytelaneSync({ tier });
    const layers = layersOf(other);
    const table = createTable(other, quantizeInt4(other, weights, { shape }));
    const held = tensor(other, "u8", [1]);
    for (const each of [layers.plain, layers.int8, table, held]) {
      fail(
        () => saveLayers(instance, { each }),
        '"layers.each" expected a handle of this instance',
      );
    }
    fail(() => loadLayers(instance, held), '"file" expected a handle of this instance');
  });
});

describeTiers("saved quantized values", (instance) => {
  it("come back as tensors that are taken whole", () => {
    const x = Float32Array.from({ length: 12 }, (_, i) => i - 5.5);
    const rows = quantizeRows(instance, x, { shape: [3, 4], dtype: "u8" });
    const whole = quantizeDynamic(instance, x, { shape: [3, 4] });
    const eight = createTable(instance, rows);
    const file = saveLayers(instance, { rows, whole, eight });
    eight.dispose();
    const { layers } = loadLayers(instance, file);
    for (const [name, value] of [
      ["rows", rows],
      ["whole", whole],
    ] as const) {
      const loaded = layers.get(name);
      if (loaded?.kind !== "quantized") throw new Error(`${name} is ${loaded?.kind}`);
      using back = dequantize(instance, loaded);
      expectSame(back.data, dequantize(instance, value));
    }
    const table = layers.get("eight");
    if (table?.kind !== "table") throw new Error(`the table is ${table?.kind}`);
    expectSame(table.toArray(), dequantize(instance, rows));
    for (const each of layers.values()) {
      each.dispose();
      expect(each.disposed).toBe(true);
    }
  });

  it("are refused where their parts do not fit", () => {
    const values = Int8Array.of(1, 2, 3);
    const fail = (changes: object, message: string) =>
      expect(() =>
        saveLayers(instance, {
          a: { values, scale: 1, zeroPoint: 0, shape: [3], ...changes } as never,
        }),
      ).toThrow(message);
    fail({ values: x32 }, '"layers.a.values" expected an Int8Array, a Uint8Array or a tensor');
    fail({ shape: [4] }, '"layers.a.shape" expected 3 elements, got [4]');
    fail({ scale: 0 }, '"layers.a.scale" expected a positive');
    fail({ scale: "1" }, '"layers.a.scale" expected a Float32Array');
    fail({ zeroPoint: null }, '"layers.a.zeroPoint" expected an Int32Array');
  });
});

const x32 = new Float32Array(3);
