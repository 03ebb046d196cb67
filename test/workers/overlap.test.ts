/** `out` over an operand of a call on workers: what plain arrays give, at every distance. */
import { expect, it } from "vitest";
import { createLinear, linear, matmul, tensor } from "../../src/entries/index.ts";
import * as loaded from "../../src/entries/load.ts";
import * as workers from "../../src/workers/index.ts";
import { moduleOf } from "../support/builds.ts";
import { bytes, expectSame, finite } from "../support/samples.ts";

const [M, N, DEPTH] = [5, 40, 12];

it.each([true, false])("gives what plain arrays give, with one memory: %s", async (shared) => {
  const simd = moduleOf(shared ? "simd.threads" : "simd");
  const pool = { size: 2, minimumWork: 1 };
  const instance = loaded.createBytelaneSync({ simd, workers: pool, shared });
  const layer = createLinear(instance, { weights: finite(DEPTH * N, 1), shape: [DEPTH, N] });
  const x = finite(M * DEPTH, 2);
  const y = linear(layer, x);
  const lhs = bytes("i8", M * DEPTH, 3);
  const rhs = bytes("i8", DEPTH * N, 4);
  const sizes = { m: M, n: N, depth: DEPTH };
  const sums = new Int32Array(M * N);
  matmul(instance, { values: lhs }, { values: rhs }, { ...sizes, out: sums });
  const start = y.byteLength;
  const host = tensor(instance, "u8", [start + x.byteLength + y.byteLength]);
  const used = instance.bytesUsed;
  const at = <T>(
    View: new (buffer: ArrayBuffer, at: number, n: number) => T,
    by: number,
    n: number,
  ) => new View(host.data.buffer as ArrayBuffer, host.data.byteOffset + start + by, n);
  for (let by = -y.byteLength; by <= x.byteLength; by += 4) {
    const source = at(Float32Array, 0, x.length);
    source.set(x);
    await workers.linear(layer, source, { out: at(Float32Array, by, y.length) });
    expectSame(at(Float32Array, by, y.length), y, `linear, ${by} bytes behind`);
    at(Int8Array, 0, lhs.length).set(lhs);
    const left = { values: at(Int8Array, 0, lhs.length) };
    const out = at(Int32Array, by, sums.length);
    await workers.matmul(instance, left, { values: rhs }, { ...sizes, out });
    expectSame(at(Int32Array, by, sums.length), sums, `matmul, ${by} bytes behind`);
    expect(instance.bytesUsed).toBe(used);
  }
  instance.dispose();
});
