/** Kernels write nothing beyond the bytes that a call has allocated for them. */
import { describe, expect, it, vi } from "vitest";
import {
  type Bytelane,
  createBytelaneSync,
  createLinear,
  linear,
  matmul,
  quantizeRows,
} from "../../src/entries/index.ts";
import { finite } from "../support/samples.ts";
import { TIERS } from "../support/tiers.ts";

const GUARD = 64;
const MARK = 0xa5;

/** Allocations end on this boundary, up to which a kernel may write whole vectors. */
const padded = (bytes: number) => Math.ceil((bytes || 1) / 32) * 32;

/** Has every allocation followed by marks. They are looked at when it is given back. */
function guard({ arena, heap }: Bytelane) {
  const allocate = arena.allocate.bind(arena);
  const free = arena.free.bind(arena);
  const guarded = new Map<number, number>();
  vi.spyOn(arena, "allocate").mockImplementation((bytes) => {
    const address = allocate(padded(bytes) + GUARD);
    guarded.set(address, bytes);
    heap.view("u8", address + padded(bytes), GUARD).fill(MARK);
    return address;
  });
  const found = { freed: 0, written: [] as number[] };
  vi.spyOn(arena, "free").mockImplementation((address, bytes) => {
    expect(bytes).toBe(guarded.get(address));
    guarded.delete(address);
    found.freed++;
    const marks = heap.view("u8", address + padded(bytes), GUARD);
    if (marks.some((byte) => byte !== MARK)) found.written.push(bytes);
    free(address, padded(bytes) + GUARD);
  });
  return found;
}

describe.each(TIERS)("memory of a call, tier %s", (tier) => {
  // rows of a pass and of a tile, columns of a panel, k of a group and of a block: whole and not
  const rows = [1, 3, 4, 7, 70];
  const columns = [1, 8, 33];
  const depths = [1, 31, 32, 36, 250];

  it.each(["int8", "int4", "int4 on reals"])("holds what %s layers write", (kind) => {
    const instance = createBytelaneSync({ tier });
    const found = guard(instance);
    for (const n of columns) {
      for (const depth of depths) {
        const weights = finite(n * depth, n + depth);
        const common = { weights, shape: [n, depth], orientation: "out-in" } as const;
        const layer =
          kind === "int8"
            ? createLinear(instance, common)
            : createLinear(instance, {
                ...{ ...common, format: "int4" },
                activations: kind === "int4" ? "dynamic" : "f32",
              });
        for (const m of rows) {
          expect(linear(layer, finite(m * depth, m))).toHaveLength(m * n);
          expect(found.written, `${m} × ${n} × ${depth}`).toEqual([]);
        }
        layer.dispose();
      }
    }
    expect(found.written).toEqual([]);
    expect(found.freed).toBeGreaterThan(rows.length * columns.length * depths.length);
  });

  it("holds what products write", () => {
    const instance = createBytelaneSync({ tier });
    const found = guard(instance);
    for (const [m, n, depth] of rows.flatMap((m) =>
      columns.flatMap((n) => depths.map((depth) => [m, n, depth])),
    )) {
      const lhs = quantizeRows(instance, finite(m * depth, m), { shape: [m, depth] });
      const rhs = quantizeRows(instance, finite(n * depth, n), { shape: [n, depth] });
      matmul(instance, lhs, { ...rhs, orientation: "out-in" }, { dtype: "f32" });
      expect(found.written, `${m} × ${n} × ${depth}`).toEqual([]);
    }
    expect(found.freed).toBeGreaterThan(rows.length * columns.length * depths.length);
  });
});
