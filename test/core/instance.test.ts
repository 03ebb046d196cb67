import { describe, expect, it } from "vitest";
import {
  createBytelane,
  createBytelaneSync,
  createLinear,
  linear,
  packMatrix,
  quantizeRows,
  scope,
  type Tensor,
  tensor,
} from "../../src/entries/index.ts";
import { createIndex, topK } from "../../src/entries/search.ts";
import { expectSame, finite } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

describeTiers("scope", (instance) => {
  it("disposes what was made in it", () => {
    const used = instance.bytesUsed;
    let x: Tensor | undefined;
    const result = scope(instance, () => {
      x = tensor(instance, "f32", [100]);
      return 42;
    });
    expect(result).toBe(42);
    expect(x?.disposed).toBe(true);
    expect(instance.bytesUsed).toBe(used);
  });

  it("disposes layers, indexes and packed matrices", () => {
    const used = instance.bytesUsed;
    const weights = finite(40, 1);
    const made = scope(instance, () => {
      const layer = createLinear(instance, { weights, shape: [10, 4] });
      const index = createIndex(instance, { vectors: weights, dimensions: 10 });
      const packed = packMatrix(instance, new Int8Array(40), { shape: [10, 4] });
      expect(instance.bytesUsed).toBeGreaterThan(used);
      return () => [layer, index, packed];
    });
    expect(made().every((each) => each.disposed)).toBe(true);
    expect(instance.bytesUsed).toBe(used);
  });

  it("keeps the result, or the values of an array or a plain object that is the result", () => {
    const x = scope(instance, () => tensor(instance, "f32", [1], [7]));
    const [a, b] = scope(instance, () => [
      tensor(instance, "i8", [1]),
      tensor(instance, "i8", [2]),
    ]);
    const rows = scope(instance, () => quantizeRows(instance, tensor(instance, "f32", [2, 2])));
    for (const kept of [x, a, b, rows.values, rows.scale]) {
      expect(kept.disposed).toBe(false);
      kept.dispose();
    }
  });

  it("keeps all that a layer, an index or a packed matrix needs", () => {
    const weights = finite(40, 1);
    const x = finite(10, 2);
    const reference = scope(instance, () => {
      const layer = createLinear(instance, { weights, shape: [10, 4] });
      return linear(layer, x);
    });
    const layer = scope(instance, () => createLinear(instance, { weights, shape: [10, 4] }));
    const index = scope(instance, () =>
      createIndex(instance, { vectors: weights, dimensions: 10 }),
    );
    const packed = scope(instance, () =>
      packMatrix(instance, new Int8Array(40), { shape: [10, 4] }),
    );
    // new blocks would take the place of any that was given back
    const filler = Array.from({ length: 50 }, () => tensor(instance, "u8", [40]));
    for (const each of filler) each.data.fill(77);
    expectSame(linear(layer, x), reference);
    expect(topK(index, x, 4).ids.length).toBe(4);
    for (const each of [layer, index, packed, ...filler]) each.dispose();
  });

  it("nests: what an inner one keeps belongs to the outer one", () => {
    const used = instance.bytesUsed;
    let inner: Tensor | undefined;
    scope(instance, () => {
      inner = scope(instance, () => tensor(instance, "f32", [10]));
      expect(inner.disposed).toBe(false);
    });
    expect(inner?.disposed).toBe(true);
    expect(instance.bytesUsed).toBe(used);
  });

  it("leaves what was made before it, and bears a dispose inside", () => {
    const x = tensor(instance, "f32", [1]);
    scope(instance, () => {
      tensor(instance, "f32", [1]).dispose();
    });
    expect(x.disposed).toBe(false);
    x.dispose();
  });

  it("disposes everything when the body throws, and lets the error through", () => {
    const used = instance.bytesUsed;
    const fault = new Error("mine");
    expect(() =>
      scope(instance, () => {
        tensor(instance, "f32", [10]);
        throw fault;
      }),
    ).toThrow(fault);
    expect(instance.bytesUsed).toBe(used);
  });
});

describe("instances", () => {
  it("stand side by side without touching each other", () => {
    const [one, two] = [createBytelaneSync(), createBytelaneSync()];
    const x = tensor(one, "f32", [4], [1, 2, 3, 4]);
    const y = tensor(two, "f32", [4], [5, 6, 7, 8]);
    expectSame(x.data, [1, 2, 3, 4]);
    expectSame(y.data, [5, 6, 7, 8]);
    expect(x.data.buffer).not.toBe(y.data.buffer);
    one.dispose();
    expect(x.disposed).toBe(true);
    expect(y.disposed).toBe(false);
  });

  it("copy from one another like any typed array", () => {
    const [one, two] = [createBytelaneSync(), createBytelaneSync()];
    const x = tensor(one, "f32", [4], [1, 2, 3, 4]);
    expectSame(tensor(two, "f32", [4], x.data).data, [1, 2, 3, 4]);
  });

  it("end with dispose or with using", async () => {
    const instance = await createBytelane();
    expect(instance.disposed).toBe(false);
    instance.dispose();
    instance.dispose();
    expect(instance.disposed).toBe(true);
    {
      using other = createBytelaneSync();
      expect(other.disposed).toBe(false);
    }
  });

  it("give their memory to a module of the caller's", () => {
    // (func (export "double") (param i32) (f32.store (local.get 0)
    //   (f32.mul (f32.load (local.get 0)) (f32.const 2))))
    const module = new WebAssembly.Module(
      Uint8Array.of(
        ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 1, 127, 0],
        ...[2, 15, 1, 3, 101, 110, 118, 6, 109, 101, 109, 111, 114, 121, 2, 0, 0, 3, 2, 1, 0],
        ...[7, 10, 1, 6, 100, 111, 117, 98, 108, 101, 0, 0, 10, 20, 1, 18, 0],
        ...[32, 0, 32, 0, 42, 2, 0, 67, 0, 0, 0, 64, 148, 56, 2, 0, 11],
      ),
    );
    const instance = createBytelaneSync();
    const env = { memory: instance.memory };
    const { double } = new WebAssembly.Instance(module, { env }).exports as {
      double(address: number): void;
    };
    const x = tensor(instance, "f32", [3], [1, 2, 3]);
    double(x.address + 4);
    expectSame(x.data, [1, 4, 3]);
    // growth leaves the memory and the address as they are, and the view detached
    const view = new Float32Array(instance.memory.buffer, x.address, 3);
    tensor(instance, "u8", [2 ** 22]);
    expect(view.length).toBe(0);
    double(x.address);
    expectSame(x.data, [2, 4, 3]);
    instance.dispose();
    expect(() => instance.memory).toThrow("expected a live instance");
  });
});
