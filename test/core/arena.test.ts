import { describe, expect, it } from "vitest";
import {
  type Bytelane,
  clamp,
  createBytelaneSync,
  createLinear,
  createTable,
  dequantize,
  gather,
  linear,
  matmul,
  packMatrix,
  part,
  quantize,
  quantizeInt4,
  quantizeRows,
  scope,
  type Tensor,
  tensor,
} from "../../src/entries/index.ts";
import { expectSame, finite, reals } from "../support/samples.ts";
import { describeTiers, TIERS } from "../support/tiers.ts";

const PAGE = 65536;

/** Makes the memory grow by asking for more than there is. */
function grow(instance: Bytelane): void {
  const before = instance.bytesReserved;
  tensor(instance, "u8", [before]).dispose();
  expect(instance.bytesReserved).toBeGreaterThan(before);
}

describe.each(TIERS)("growth of the memory, tier %s", (tier) => {
  const open = () => createBytelaneSync({ tier, initialMemory: PAGE });

  it("keeps what tensors, layers and packed matrices hold", () => {
    const instance = open();
    const x = tensor(instance, "f32", [3, 8], finite(24, 1));
    const weights = finite(32, 2);
    const layer = createLinear(instance, { weights, shape: [8, 4], bias: finite(4, 3) });
    const rhs = packMatrix(
      instance,
      Int8Array.from({ length: 16 }, (_, i) => i - 8),
      { shape: [4, 4] },
    );
    const data = Int8Array.of(1, 2, 3, 4);
    const run = () => ({
      x: x.data.slice(),
      y: linear(layer, x).data.slice(),
      c: matmul(instance, { values: data }, { values: rhs }, { m: 1, n: 4, depth: 4 }),
    });
    const before = run();
    grow(instance);
    expect(run()).toEqual(before);
    grow(instance);
    expect(run()).toEqual(before);
  });

  it("detaches a view that was kept, which its length of 0 shows", () => {
    const instance = open();
    const x = tensor(instance, "f32", [4], [1, 2, 3, 4]);
    const kept = x.data;
    grow(instance);
    expect(kept.length).toBe(0);
    expectSame(x.data, [1, 2, 3, 4]);
    expect(() => quantize(instance, kept, { scale: 1 })).toThrow(
      '"x" expected an array that has its buffer, got a detached Float32Array',
    );
  });

  it("runs a static layer whose quantized input makes it grow", () => {
    const rows = 2000;
    const weights = finite(64, 1);
    const input = { scale: 0.1, zeroPoint: 3, dtype: "u8" } as const;
    const values = finite(8 * rows, 2);
    const wanted = (() => {
      const roomy = createBytelaneSync({ tier });
      const layer = createLinear(roomy, { weights, shape: [8, 8], activations: input });
      return linear(layer, values);
    })();
    const instance = open();
    const layer = createLinear(instance, { weights, shape: [8, 8], activations: input });
    const x = tensor(instance, "f32", [rows, 8], values);
    const out = tensor(instance, "f32", [rows, 8]);
    // less is free than the quantized rows take, which are the first that the call asks for
    while (instance.bytesReserved - instance.bytesUsed > 15_000) tensor(instance, "u8", [4000]);
    const before = instance.bytesReserved;
    linear(layer, x, { out });
    expect(instance.bytesReserved).toBeGreaterThan(before);
    expectSame(out.data, wanted);
  });

  it("takes an own view as an operand of the very call that grows", () => {
    const instance = open();
    const n = 3 * PAGE;
    const x = tensor(instance, "f32", [100], finite(100, 4));
    const whole = x.data.slice();
    // the second operand or the result does not fit, and the view is detached on the way
    const out = new Int8Array(100);
    const before = instance.bytesReserved;
    const table = new Float32Array(n).fill(0.5);
    const y = quantize(instance, x.data, { scale: 0.5 }, { out });
    expectSame(
      y,
      whole.map((value) => Math.max(-128, Math.min(127, evenly(value / 0.5)))),
    );
    const big = tensor(instance, "f32", [n], table);
    expect(instance.bytesReserved).toBeGreaterThan(before);
    expectSame(big.data.subarray(n - 2), [0.5, 0.5]);

    // tensor() copies from a view on the memory that it makes grow
    const small = createBytelaneSync({ tier, initialMemory: 4 * PAGE });
    const source = tensor(small, "f32", [PAGE - 2000], finite(PAGE - 2000, 5));
    const kept = source.data.slice();
    const reserved = small.bytesReserved;
    const copy = tensor(small, "f32", [PAGE - 2000], source.data);
    expect(small.bytesReserved).toBeGreaterThan(reserved);
    expectSame(copy.data, kept);

    // an own view as lhs, as scales and as out, while the workspace makes the memory grow
    const third = createBytelaneSync({ tier, initialMemory: PAGE });
    const lhs = tensor(
      third,
      "i8",
      [40, 1000],
      Int8Array.from({ length: 40000 }, (_, i) => i),
    );
    const rhs = Int8Array.from({ length: 2000 }, (_, i) => 3 * i);
    const result = tensor(third, "f32", [80]);
    const scales = tensor(third, "f32", [40], finite(40, 6).map(Math.abs));
    const reservedBefore = third.bytesReserved;
    matmul(
      third,
      { values: lhs.data, scale: scales.data },
      { values: rhs },
      { m: 40, n: 2, depth: 1000, dtype: "f32", out: result.data },
    );
    expect(third.bytesReserved).toBeGreaterThan(reservedBefore);
    const fresh = createBytelaneSync({ tier });
    const wanted = matmul(
      fresh,
      { values: lhs.data.slice(), scale: scales.data.slice() },
      { values: rhs },
      { m: 40, n: 2, depth: 1000, dtype: "f32" },
    );
    expectSame(result.data, wanted);
  });

  it("takes an own view of ids over the growth that the rows need", () => {
    const instance = open();
    const columns = 1000;
    const values = Int8Array.from({ length: 3 * columns }, (_, i) => i % 100);
    const list = Int32Array.from({ length: 60 }, (_, i) => (i * 2) % 3);
    const ids = tensor(instance, "i32", [60], list);
    const scale = Float32Array.of(1, 2, 4);
    const table = createTable(instance, { values, scale, zeroPoint: 0, shape: [3, columns] });
    const reserved = instance.bytesReserved;
    const rows = gather(table, ids.data);
    expect(instance.bytesReserved).toBeGreaterThan(reserved);
    const right = Array.from(list, (id) => [id, (id * columns + 7) % 100] as const);
    right.forEach(([id, q], i) => {
      expect(rows[i * columns + 7]).toBe(q * 2 ** id);
    });

    const four = open();
    const small = createTable(four, quantizeInt4(four, finite(96, 1), { shape: [32, 3] }));
    const many = Int32Array.from({ length: 4000 }, (_, i) => i % 3);
    const wanted = gather(small, [0, 1, 2]);
    const kept = tensor(four, "i32", [4000], many);
    const before = four.bytesReserved;
    const looked = gather(small, kept.data);
    expect(four.bytesReserved).toBeGreaterThan(before);
    expectSame(looked.subarray(3999 * 32), wanted.subarray(0, 32));
  });

  it("writes an own view as out, and returns it", () => {
    const instance = open();
    const out = tensor(instance, "i8", [PAGE]);
    const x = new Float32Array(PAGE).fill(3);
    const reserved = instance.bytesReserved;
    quantize(instance, x, { scale: 1 }, { out: out.data });
    expect(instance.bytesReserved).toBeGreaterThan(reserved);
    expect(out.data.every((q) => q === 3)).toBe(true);
  });
});

function evenly(x: number): number {
  const up = Math.round(x);
  return up - x === 0.5 && up % 2 !== 0 ? up - 1 : up;
}

describe.each(TIERS)("a limit on the memory, tier %s", (tier) => {
  it("ends in a clear error that changes nothing, and the instance still works", () => {
    const maximumMemory = 8 * PAGE;
    const instance = createBytelaneSync({ tier, initialMemory: PAGE, maximumMemory });
    const x = tensor(instance, "f32", [10], finite(10, 1));
    const used = instance.bytesUsed;
    const message =
      /^"memory" expected at most 524288 bytes in all, got \d+ in use and a request for [\d.e+]+: dispose /;
    for (const attempt of [
      () => tensor(instance, "f32", [1 << 20]),
      () => tensor(instance, "f32", [2 ** 40]),
      () => tensor(instance, "u8", [2 ** 52, 2 ** 52]),
      () => quantize(instance, new Float32Array(200_000), { scale: 1 }),
      () => clamp(instance, new Float32Array(80_000), { low: 0 }),
      () => createLinear(instance, { weights: new Float32Array(500_000), shape: [500, 1000] }),
      () =>
        createLinear(instance, {
          weights: new Int8Array(400_000),
          shape: [400, 1000],
          scale: 1,
        }),
      () => packMatrix(instance, new Int8Array(300_000), { shape: [300, 1000] }),
      () => quantizeRows(instance, new Float32Array(110_000), { shape: [1000, 110] }),
      () =>
        matmul(
          instance,
          { values: new Int8Array(1000) },
          { values: new Int8Array(1000) },
          { m: 1000, n: 1000, depth: 1 },
        ),
    ]) {
      expect(attempt).toThrow(message);
      expect(attempt).toThrow(RangeError);
    }
    expect(instance.bytesUsed).toBe(used);
    expect(instance.bytesReserved).toBeLessThanOrEqual(maximumMemory);
    const q = quantize(instance, x, { scale: 0.5 });
    expectSame(
      dequantize(instance, q, { scale: 0.5 }).data,
      dequantize(instance, q.data.slice(), { scale: 0.5 }),
    );
  });

  it("can be small without saying what to start with", () => {
    const instance = createBytelaneSync({ tier, maximumMemory: 4 * PAGE });
    expectSame(tensor(instance, "f32", [3], [1, 2, 3]).data, [1, 2, 3]);
    expect(instance.bytesReserved).toBeLessThanOrEqual(4 * PAGE);
  });

  it("reads column arrays that end where a full memory ends", () => {
    const instance = createBytelaneSync({ tier, initialMemory: 0, maximumMemory: 2 * PAGE });
    const blocks: Tensor<"f32">[] = [];
    expect(() => {
      for (;;) blocks.push(tensor(instance, "f32", [8], [0, 0, 0, 0, 0, 0, 0, 0.5]));
    }).toThrow("memory");
    const last = blocks.reduce((a, b) => (b.data.byteOffset > a.data.byteOffset ? b : a));
    for (const block of blocks.slice(0, 200)) block.dispose();
    const data = Int8Array.of(3);
    const run = (lhs: object, options: object) => {
      const out = new Float32Array(1);
      const sizes = { m: 1, n: 1, depth: 1, dtype: "f32", out } as const;
      matmul(instance, { values: data, ...lhs }, { values: data }, { ...sizes, ...options });
      return out[0];
    };
    expect(run({}, { bias: last.data.subarray(7) })).toBe(9.5);
    expect(run({}, { bias: part(last, 7, [1]) })).toBe(9.5);
    expect(run({ scale: last.data.subarray(7) }, {})).toBe(4.5);
    const rhs = { values: data, scale: last.data.subarray(7) };
    const out = new Float32Array(1);
    matmul(instance, { values: data }, rhs, { m: 1, n: 1, depth: 1, dtype: "f32", out });
    expect(out[0]).toBe(4.5);
  });
});

describeTiers("the life of handles", (instance) => {
  it("makes, uses and disposes 10^5 times without growth", () => {
    const reserved = instance.bytesReserved;
    const values = Float32Array.of(1, 2, 3);
    for (let i = 0; i < 100_000; i++) {
      const x = tensor(instance, "f32", [3], values);
      const q = quantize(instance, x, { scale: 0.5 });
      x.dispose();
      q.dispose();
    }
    expect(instance.bytesReserved).toBe(reserved);
  });

  it("makes layers and products of many sizes without growth", () => {
    const weights = finite(4000, 1);
    const round = () => {
      for (let n = 1; n <= 40; n++) {
        const layer = createLinear(instance, {
          weights: weights.subarray(0, 100 * n),
          shape: [100, n],
        });
        linear(layer, weights.subarray(0, 300));
        layer.dispose();
        const data = new Int8Array(50 * n);
        matmul(
          instance,
          { values: data },
          { values: data },
          { m: n, n, depth: 50, out: new Int32Array(n * n) },
        );
      }
    };
    round();
    const reserved = instance.bytesReserved;
    for (let i = 0; i < 25; i++) round();
    expect(instance.bytesReserved).toBe(reserved);
  });

  it("gives blocks back in any order and joins them", () => {
    const used = instance.bytesUsed;
    const tensors = Array.from({ length: 200 }, (_, i) => tensor(instance, "u8", [1 + i * 13]));
    const addresses = new Set(tensors.map((each) => each.data.byteOffset));
    expect(addresses.size).toBe(200);
    const reserved = instance.bytesReserved;
    for (const each of tensors.filter((_, i) => i % 3 === 1)) each.dispose();
    for (const each of tensors.filter((_, i) => i % 3 === 0).reverse()) each.dispose();
    for (const each of tensors) each.dispose();
    expect(instance.bytesUsed).toBe(used);
    tensor(instance, "u8", [200 * 1000]).dispose();
    expect(instance.bytesReserved).toBe(reserved);
  });

  it("never gives two handles the same bytes", () => {
    scope(instance, () => {
      const kept: [Tensor<"u8">, number][] = [];
      let state = 7;
      for (let i = 0; i < 3000; i++) {
        state = (state * 48271) % 2147483647;
        if (kept.length > 60 || (kept.length > 0 && state % 3 === 0)) {
          const [[each, mark]] = kept.splice(state % kept.length, 1);
          expect(each.data.every((byte) => byte === mark)).toBe(true);
          each.dispose();
        } else {
          const each = tensor(instance, "u8", [state % 700]);
          each.data.fill(i % 256);
          kept.push([each, i % 256]);
        }
      }
    });
  });

  it("counts bytes: some for a tensor, none after dispose, none for a second dispose", () => {
    const used = instance.bytesUsed;
    const x = tensor(instance, "f32", [100]);
    expect(instance.bytesUsed).toBeGreaterThanOrEqual(used + 400);
    expect(x.byteLength).toBe(400);
    expect(x.disposed).toBe(false);
    x.dispose();
    x.dispose();
    expect(x.disposed).toBe(true);
    expect(instance.bytesUsed).toBe(used);
    {
      using y = tensor(instance, "i8", [3]);
      expect(y.length).toBe(3);
    }
    expect(instance.bytesUsed).toBe(used);
  });

  it("gives back the room of a call that throws", () => {
    const used = instance.bytesUsed;
    expect(() => packMatrix(instance, Int8Array.of(100, 1), { shape: [1, 2], bits: 7 })).toThrow();
    const bias = Float32Array.of(NaN);
    expect(() =>
      createLinear(instance, { weights: new Float32Array(2), shape: [2, 1], bias }),
    ).toThrow();
    expect(instance.bytesUsed).toBe(used);
  });
});

describeTiers("tensors", (instance) => {
  it("hold zeros, or the values they are given, of every type", () => {
    scope(instance, () => {
      for (const [dtype, value] of [
        ["f32", -1.5],
        ["i32", -7],
        ["i8", -128],
        ["u8", 255],
      ] as const) {
        const dirty = tensor(instance, dtype, [9], new Array(9).fill(value));
        expectSame(dirty.data, new Array(9).fill(value));
        dirty.dispose();
        expectSame(tensor(instance, dtype, [3, 3]).data, new Array(9).fill(0));
      }
      expectSame(tensor(instance, "u8", [2], new Uint8ClampedArray([1, 2]) as never).data, [1, 2]);
      expect(tensor(instance, "f32", []).length).toBe(1);
      expect(tensor(instance, "f32", [0, 7]).data.length).toBe(0);
    });
  });

  it("keep their shape from the caller's array", () => {
    const shape = [2, 3];
    using x = tensor(instance, "i8", shape);
    shape[0] = 9;
    expect(x.shape).toEqual([2, 3]);
    expect(Object.isFrozen(x.shape)).toBe(true);
  });

  it("accept typed arrays of another realm", async () => {
    const { runInNewContext } = await import("node:vm");
    const x = runInNewContext("Float32Array.of(1, 2.5, -3)") as Float32Array;
    expect(x instanceof Float32Array).toBe(false);
    using copy = tensor(instance, "f32", [3], x);
    expectSame(copy.data, [1, 2.5, -3]);
    expectSame(quantize(instance, x, { scale: 1 }), [1, 2, -3]);
  });

  it("have parts that share their bytes and their life", () => {
    const x = tensor(instance, "f32", [4, 3], reals(12, 1));
    const row = part(x, 3, [3]);
    expectSame(row.data, x.data.subarray(3, 6));
    row.data[0] = 42;
    expect(x.data[3]).toBe(42);
    const used = instance.bytesUsed;
    row.dispose();
    expect(instance.bytesUsed).toBe(used);
    const other = part(x, 12, [0]);
    expect(other.length).toBe(0);
    x.dispose();
    expect(other.disposed).toBe(true);
    expect(() => other.data).toThrow("disposed");
  });

  it("survive beside views: reading and writing data goes straight to the tensor", () => {
    using x = tensor(instance, "i32", [4]);
    x.data.set([1, 2, 3, 4]);
    x.data[2] = -9;
    expectSame(x.data, [1, 2, -9, 4]);
  });
});
