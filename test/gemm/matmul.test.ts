import fc from "fast-check";
import { expect, it } from "vitest";
import {
  type Bytelane,
  dequantize,
  type Elements,
  type Epilogue,
  type MatmulOptions,
  type MatrixSide,
  matmul,
  packMatrix,
  quantizeRows,
  scope,
  type Tensor,
  tensor,
} from "../../src/entries/index.ts";
import { product, toReal } from "../reference/gemm.ts";
import * as oracle from "../reference/quantize.ts";
import { elementsOf } from "../support/narrow.ts";
import {
  at,
  bytes,
  type Each,
  expectSame,
  finite,
  guarded,
  integers,
  noise,
} from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const f = Math.fround;
const DTYPES = ["i8", "u8"] as const;
const MIXES = DTYPES.flatMap((lhs) => DTYPES.map((rhs) => [lhs, rhs] as const));
type Byte = (typeof DTYPES)[number];
const LEAST = { i8: -128, u8: 0 } as const;

interface Sides<L extends Byte = Byte, R extends Byte = Byte> {
  readonly m: number;
  readonly n: number;
  readonly depth: number;
  readonly lhs: Elements[L];
  readonly rhs: Elements[R];
  /** One a row. */
  readonly lhsZero?: Each;
  /** One a column. */
  readonly rhsZero?: Each;
}

/** The product of two dense matrices, rhs [depth, n] or transposed [n, depth]. */
function wanted(s: Sides, transposed = false): Int32Array {
  const { m, n, depth, lhs, rhs, lhsZero = 0, rhsZero = 0 } = s;
  return product(
    m,
    n,
    depth,
    (i, k) => lhs[i * depth + k] - at(lhsZero, i),
    (k, j) => rhs[transposed ? j * depth + k : k * n + j] - at(rhsZero, j),
  );
}

function sides<L extends Byte, R extends Byte>(
  [lhs, rhs]: readonly [L, R],
  m: number,
  n: number,
  depth: number,
): Sides<L, R> {
  return { m, n, depth, lhs: bytes(lhs, m * depth, m + 1), rhs: bytes(rhs, depth * n, n + 2) };
}

const listed = (each: Each | undefined, count: number): number | Int32Array =>
  typeof each === "function" ? Int32Array.from({ length: count }, (_, i) => each(i)) : (each ?? 0);

/** The product by the library, both sides packed on the way, as i32. */
function multiply(instance: Bytelane, s: Sides, transposed = false): Int32Array {
  const { m, n, depth } = s;
  const out = new Int32Array(m * n);
  matmul(
    instance,
    { values: s.lhs, zeroPoint: listed(s.lhsZero, m) },
    {
      values: s.rhs,
      zeroPoint: listed(s.rhsZero, n),
      orientation: transposed ? "out-in" : "in-out",
    },
    { m, n, depth, out },
  );
  return out;
}

describeTiers("matmul to i32", (instance) => {
  it.each(MIXES)("equals the oracle at every depth, %s · %s", (...mix) => {
    for (let depth = 1; depth <= 70; depth++) {
      const s = sides(mix, 3, 9, depth);
      expectSame(multiply(instance, s), wanted(s), `depth ${depth}`);
    }
  });

  it.each(MIXES)("equals the oracle at every width, %s · %s", (...mix) => {
    for (let n = 1; n <= 70; n++) {
      const s = sides(mix, 2, n, 7);
      expectSame(multiply(instance, s), wanted(s), `width ${n}`);
      expectSame(multiply(instance, s, true), wanted(s, true), `width ${n}, transposed`);
    }
  });

  it.each(MIXES)("equals the oracle for a single row, alone and left over, %s · %s", (...mix) => {
    for (let n = 1; n <= 100; n++) {
      for (const m of [1, 3, 5]) {
        const s = {
          ...sides(mix, m, n, 11),
          lhsZero: LEAST[mix[0]] + 7,
          rhsZero: (j: number) => j,
        };
        expectSame(multiply(instance, s), wanted(s), `${m} × ${n}`);
      }
    }
  });

  it.each(MIXES)("equals the oracle at every height, %s · %s", (...mix) => {
    for (let m = 0; m <= 70; m++) {
      const s = sides(mix, m, 9, 5);
      expectSame(multiply(instance, s), wanted(s), `height ${m}`);
    }
  });

  it.each(MIXES)(
    "takes zero points at both ends: one, a row each, a column each, %s · %s",
    (...mix) => {
      const [lhsLeast, rhsLeast] = [LEAST[mix[0]], LEAST[mix[1]]];
      const { integer } = noise(4);
      for (const [m, n, depth] of [
        [1, 1, 1],
        [1, 17, 33],
        [5, 8, 16],
        [6, 11, 21],
        [13, 20, 40],
      ]) {
        const rows = Array.from({ length: m }, () => lhsLeast + integer(0, 255));
        const columns = Array.from({ length: n }, () => rhsLeast + integer(0, 255));
        for (const lhsZero of [lhsLeast, lhsLeast + 255, (i: number) => rows[i]]) {
          for (const rhsZero of [rhsLeast, rhsLeast + 255, (j: number) => columns[j]]) {
            const s = { ...sides(mix, m, n, depth), lhsZero, rhsZero };
            expectSame(multiply(instance, s), wanted(s), `${m} × ${n} × ${depth}`);
            expectSame(multiply(instance, s, true), wanted(s, true), "transposed");
          }
        }
      }
    },
  );

  it.each(MIXES)("saturates nothing on the way: only extremes, %s · %s", (...mix) => {
    for (const a of [LEAST[mix[0]], LEAST[mix[0]] + 255]) {
      for (const b of [LEAST[mix[1]], LEAST[mix[1]] + 255]) {
        const s = sides(mix, 5, 9, 130);
        s.lhs.fill(a);
        s.rhs.fill(b);
        expectSame(multiply(instance, s), wanted(s), `${a} · ${b}`);
        const far = { ...s, lhsZero: LEAST[mix[0]], rhsZero: LEAST[mix[1]] + 255 };
        expectSame(multiply(instance, far), wanted(far), `${a} · ${b}, far zero points`);
      }
    }
  });

  it.each([
    ["u8", "u8", 255, 255, 33025],
    ["u8", "i8", 255, -128, 65793],
    ["i8", "u8", -128, 255, 65793],
    ["i8", "i8", -128, -128, 131071],
  ] as const)("is exact to the greatest depth, %s · %s", (a, b, x, y, depth) => {
    const s = sides([a, b], 1, 1, depth);
    s.lhs.fill(x);
    s.rhs.fill(y);
    expectSame(multiply(instance, s), [x * y * depth]);
    const [m, n] = [1, 1];
    const more = { m, n, depth: depth + 1 };
    const lhs = { values: new (a === "i8" ? Int8Array : Uint8Array)(depth + 1) };
    const rhs = { values: new (b === "i8" ? Int8Array : Uint8Array)(depth + 1) };
    expect(() => matmul(instance, lhs, rhs, more)).toThrow(
      `"options.depth" expected a depth of at most ${depth} for these types, zero points and bias, got ${depth + 1}`,
    );
  });

  it("walks through many blocks of rows", () => {
    for (const [m, n, depth] of [
      [133, 10, 1030],
      [70, 9, 2100],
      [9, 17, 9000],
    ]) {
      const s = {
        ...sides(["u8", "i8"], m, n, depth),
        lhsZero: 100,
        rhsZero: (j: number) => j - 5,
      };
      expectSame(multiply(instance, s), wanted(s), `${m} × ${n} × ${depth}`);
    }
  });

  it("property: equals the oracle", () => {
    const size = fc.integer({ min: 1, max: 40 });
    fc.assert(
      fc.property(
        fc.constantFrom(...MIXES),
        size,
        size,
        size,
        fc.nat(255),
        fc.nat(255),
        fc.boolean(),
        fc.nat(),
        (mix, m, n, depth, a, b, transposed, seed) => {
          const s = {
            ...{ m, n, depth, lhsZero: LEAST[mix[0]] + a, rhsZero: LEAST[mix[1]] + b },
            ...{ lhs: bytes(mix[0], m * depth, seed), rhs: bytes(mix[1], n * depth, seed + 1) },
          };
          expectSame(multiply(instance, s, transposed), wanted(s, transposed));
        },
      ),
    );
  });
});

describeTiers("packMatrix", (instance) => {
  it.each(MIXES)(
    "gives what packing on the way gives, in either orientation, %s · %s",
    (...mix) => {
      for (const [m, n, depth] of [
        [1, 1, 1],
        [1, 70, 37],
        [4, 8, 16],
        [3, 19, 50],
        [7, 9, 65],
      ]) {
        for (const orientation of ["in-out", "out-in"] as const) {
          const zeros = Int32Array.from({ length: n }, (_, j) => LEAST[mix[1]] + (j % 256));
          const s = { ...sides(mix, m, n, depth), lhsZero: 3, rhsZero: (j: number) => zeros[j] };
          const shape: [number, number] = orientation === "in-out" ? [depth, n] : [n, depth];
          const packed = packMatrix(instance, s.rhs, { shape, orientation, zeroPoint: zeros });
          expect([packed.inFeatures, packed.outFeatures]).toEqual([depth, n]);
          const out = new Int32Array(m * n);
          const lhs = { values: s.lhs, zeroPoint: 3 };
          for (let twice = 0; twice < 2; twice++) {
            matmul(instance, lhs, { values: packed }, { m, n, depth, out });
            expectSame(out, wanted(s, orientation === "out-in"), `${m} × ${n} × ${depth}`);
          }
          packed.dispose();
        }
      }
    },
  );

  it("takes a tensor's own shape", () => {
    scope(instance, () => {
      const s = sides(["i8", "i8"], 2, 3, 4);
      const packed = packMatrix(instance, tensor(instance, "i8", [4, 3], s.rhs));
      const out = new Int32Array(6);
      matmul(instance, { values: s.lhs }, { values: packed }, { m: 2, n: 3, depth: 4, out });
      expectSame(out, wanted(s));
    });
  });

  it.each(DTYPES)("multiplies 7-bit weights at every depth and width, %s on the left", (dtype) => {
    const { integer } = noise(77);
    for (let size = 1; size <= 70; size++) {
      for (const [n, depth] of [
        [9, size],
        [size, 13],
      ]) {
        const m = 1 + (size % 6);
        const rhs = Int8Array.from({ length: depth * n }, () => {
          const kind = integer(0, 5);
          return kind === 0 ? -64 : kind === 1 ? 63 : integer(-64, 63);
        });
        const zeros = Int32Array.from({ length: m }, () => LEAST[dtype] + integer(0, 255));
        const s = {
          ...{ m, n, depth, lhs: bytes(dtype, m * depth, size), rhs },
          ...{ lhsZero: (i: number) => zeros[i], rhsZero: -3 },
        };
        for (const orientation of ["in-out", "out-in"] as const) {
          const shape: [number, number] = orientation === "in-out" ? [depth, n] : [n, depth];
          const packed = packMatrix(instance, rhs, { shape, orientation, bits: 7, zeroPoint: -3 });
          const out = new Int32Array(m * n);
          const lhs = { values: s.lhs, zeroPoint: zeros };
          matmul(instance, lhs, { values: packed }, { m, n, depth, out });
          expectSame(out, wanted(s, orientation === "out-in"), `${m} × ${n} × ${depth}`);
          packed.dispose();
        }
      }
    }
  });

  it("is exact for 7 bits at the corners of both ranges", () => {
    for (const a of [-128, 127]) {
      for (const b of [-64, 63]) {
        const s = sides(["i8", "i8"], 5, 9, 131);
        s.lhs.fill(a);
        s.rhs.fill(b);
        const packed = packMatrix(instance, s.rhs, { shape: [131, 9], bits: 7 });
        const out = new Int32Array(45);
        matmul(instance, { values: s.lhs }, { values: packed }, { m: 5, n: 9, depth: 131, out });
        expectSame(out, wanted(s), `${a} · ${b}`);
        packed.dispose();
      }
    }
  });
});

/** Scales, bias and bounds, applied to the i32 product by the oracle. */
function finished(
  c: Int32Array,
  n: number,
  epilogue: Epilogue,
  rowScale: Each,
  columnScale: Each,
): number[] {
  const { dtype: result, zeroPoint = 0, scale = 1 } = epilogue;
  const bias = epilogue.bias as ArrayLike<number> | undefined;
  return Array.from(c, (value, at0) => {
    const [i, j] = [Math.floor(at0 / n), at0 % n];
    const [row, column] = [at(rowScale, i), at(columnScale, j)];
    if (result === "f32") {
      const { low = -Infinity, high = Infinity } = epilogue;
      return toReal(value, row, column, bias?.[j] ?? -0, low, high);
    }
    const least = result === "i8" ? -128 : 0;
    const { low = least, high = least + 255 } = epilogue;
    const multiplier = f(f(row) * f(f(column) / f(scale)));
    return oracle.requantize(value, bias?.[j] ?? 0, multiplier, zeroPoint, low, high);
  });
}

describeTiers("scales of a product", (instance) => {
  const one = { m: 1, n: 1, depth: 1 } as const;
  const eight = (left: number, right: number, scale: MatrixSide["scale"], by: number, to: number) =>
    matmul(
      instance,
      { values: Int8Array.of(left), scale } as MatrixSide<Int8Array>,
      { values: Int8Array.of(right), scale: by },
      { ...one, dtype: "i8", scale: to },
    )[0];

  it("are multiplied and divided in the order of the definition", () => {
    // 127 · 124 · 0.0079 · 0.0994 / 0.2311… is 53.5 but for the roundings
    const [row, column, to] = [0.007899999618530273, 0.09939999878406525, 0.23114530742167427];
    expect(eight(127, 124, row, column, to)).toBe(53);
    expect(eight(127, 124, Float32Array.of(row), column, to)).toBe(54);
  });

  it("give 0 for 0 where their product is beyond f32", () => {
    for (const scale of [1e30, Float32Array.of(1e30)] as const) {
      const real = (left: number) =>
        matmul(
          instance,
          { values: Int8Array.of(left), scale } as MatrixSide<Int8Array>,
          { values: Int8Array.of(1), scale },
          { ...one, dtype: "f32" },
        )[0];
      expect([real(0), real(-2), real(2)]).toEqual([0, -Infinity, Infinity]);
      expect(eight(0, 1, scale, 1e30, 1)).toBe(0);
    }
    // 4 · 10^38 / 3 · 10^38
    expect(eight(3, 1, 2e19, 2e19, 3e38)).toBe(4);
    expect(eight(3, 1, Float32Array.of(2e19), 2e19, 3e38)).toBe(4);
  });
});

describeTiers("matmul's epilogues", (instance) => {
  const epilogues: [string, (n: number) => Epilogue][] = [
    ["f32", () => ({ dtype: "f32" })],
    ["f32, bias", (n) => ({ dtype: "f32", bias: finite(n, 3) })],
    ["f32, ReLU6", (n) => ({ dtype: "f32", bias: finite(n, 5), low: 0, high: 6 })],
    ["f32, bounds that are no f32", () => ({ dtype: "f32", low: -0.1, high: 0.3 })],
    ["i8", () => ({ dtype: "i8", scale: 0.7, zeroPoint: -128 })],
    [
      "i8, bias",
      (n) => ({ dtype: "i8", scale: 3, zeroPoint: 127, bias: integers(n, 3, 99), low: -100 }),
    ],
    ["u8", () => ({ dtype: "u8", scale: 5 })],
    [
      "u8, bias",
      (n) => ({ dtype: "u8", scale: 0.5, zeroPoint: 255, bias: integers(n, 4, 999), high: 250 }),
    ],
  ];
  const ARRAYS = { f32: Float32Array, i32: Int32Array, i8: Int8Array, u8: Uint8Array } as const;

  it("i8: scales whose product is beyond f32 saturate, and leave 0 what it is", () => {
    const [m, n] = [3, 9];
    const left = { values: Int8Array.of(0, 1, -1), scale: 3e38 };
    const right = { values: new Int8Array(n).fill(1), scale: 3e38 };
    const out = new Int8Array(m * n);
    for (const scale of [left.scale, new Float32Array(m).fill(3e38)]) {
      const sizes = { m, n, depth: 1, out } as const;
      matmul(instance, { ...left, scale }, right, {
        ...sizes,
        ...{ dtype: "i8", scale: 0.5, zeroPoint: 3 },
      });
      expectSame(
        out,
        [3, 127, -128].flatMap((q) => new Array(n).fill(q)),
      );
    }
  });

  it.each(epilogues)("%s: one scale, a row each, a column each, at every width", (_, make) => {
    const { real } = noise(12);
    const rows = Float32Array.from({ length: 7 }, () => real(0.001, 0.01));
    for (let n = 1; n <= 40; n++) {
      const columns = Float32Array.from({ length: n }, () => real(0.5, 2));
      const m = 1 + (n % 7);
      const s = { ...sides(["u8", "i8"], m, n, 19), lhsZero: 128 };
      const c = wanted(s);
      const epilogue = make(n);
      const Elements = ARRAYS[epilogue.dtype ?? "i32"];
      const run = (lhs: number | Float32Array, rhs: number | Float32Array) => {
        const out = new Elements(m * n);
        const left = { values: s.lhs, zeroPoint: 128, scale: lhs };
        matmul(
          instance,
          left,
          { values: s.rhs, scale: rhs },
          { m, n, depth: 19, ...epilogue, out },
        );
        return out;
      };
      // one scale for all rows joins the column scales before anything else
      expectSame(
        run(0.01, columns),
        finished(c, n, epilogue, 1, (j) => f(f(0.01) * columns[j])),
        `width ${n}, one scale`,
      );
      expectSame(
        run(0.01, 0.02),
        finished(c, n, epilogue, 1, f(f(0.01) * f(0.02))),
        `width ${n}, two scales`,
      );
      expectSame(
        run(rows.subarray(0, m), columns),
        finished(
          c,
          n,
          epilogue,
          (i) => rows[i],
          (j) => columns[j],
        ),
        `width ${n}, scales of rows and columns`,
      );
    }
  });

  it("i32 with bias", () => {
    for (let n = 1; n <= 40; n++) {
      const s = sides(["i8", "u8"], 3, n, 11);
      const bias = integers(n, n, 2 ** 30);
      const out = new Int32Array(3 * n);
      matmul(instance, { values: s.lhs }, { values: s.rhs }, { m: 3, n, depth: 11, bias, out });
      expectSame(
        out,
        wanted(s).map((c, i) => c + bias[i % n]),
      );
    }
  });

  it("keeps NaN and infinity of the bias as f32 does", () => {
    const s = sides(["i8", "i8"], 1, 4, 3);
    const bias = Float32Array.of(NaN, Infinity, -Infinity, 1);
    const out = new Float32Array(4);
    const options = { m: 1, n: 4, depth: 3, dtype: "f32", bias, low: 0, high: 6, out } as const;
    matmul(instance, { values: s.lhs }, { values: s.rhs }, options);
    expectSame(out, finished(wanted(s), 4, options, 1, 1));
    expect(out.subarray(0, 3)).toEqual(Float32Array.of(NaN, 6, 0));
  });

  it("counts the bias against the depth that i32 holds", () => {
    const depth = 131071;
    const data = new Int8Array(depth);
    const run = (bias: Int32Array) =>
      matmul(
        instance,
        { values: data },
        { values: data },
        { m: 1, n: 1, depth, bias, out: new Int32Array(1) },
      );
    run(Int32Array.of(2 ** 31 - 1 - depth * 128 * 128));
    expect(() => run(Int32Array.of(2 ** 31 - depth * 128 * 128))).toThrow(
      '"options.depth" expected',
    );
    expect(() => run(Int32Array.of(-(2 ** 31)))).toThrow(
      '"options.depth" expected a depth of at most -1',
    );
  });

  it("property: f32 and u8 equal the oracle", () => {
    const size = fc.integer({ min: 1, max: 24 });
    fc.assert(
      fc.property(
        size,
        size,
        size,
        fc.float({ min: f(1e-6), max: 1, noNaN: true }),
        fc.float({ min: f(1e-6), max: 1, noNaN: true }),
        fc.nat(),
        (m, n, depth, a, b, seed) => {
          const lhs = bytes("i8", m * depth, seed);
          const rhs = bytes("i8", n * depth, seed + 1);
          const c = wanted({ m, n, depth, lhs, rhs });
          const sized = { m, n, depth };
          const bias = finite(n, seed + 2);
          const real = { dtype: "f32", bias, low: -3 } as const;
          const y = new Float32Array(m * n);
          const [left, right] = [
            { values: lhs, scale: a },
            { values: rhs, scale: b },
          ];
          matmul(instance, left, right, { ...sized, ...real, out: y });
          expectSame(y, finished(c, n, real, 1, f(f(a) * f(b))));
          const short = { dtype: "u8", scale: 0.3, zeroPoint: 77 } as const;
          const q = new Uint8Array(m * n);
          matmul(instance, left, right, { ...sized, ...short, out: q });
          expectSame(q, finished(c, n, short, 1, f(f(a) * f(b))));
        },
      ),
    );
  });
});

describeTiers("matmul on matrices inside larger ones", (instance) => {
  it("strides over both sides and the result, at any address, and touches nothing else", () => {
    scope(instance, () => {
      for (let shift = 0; shift < 16; shift++) {
        const [m, n, depth] = [5, 9 + (shift % 4), 13];
        const [lhsStride, rhsStride, outStride] = [depth + shift, n + 3, n + (shift % 5)];
        const lhs = guarded(instance, "i8", (m - 1) * lhsStride + depth, shift);
        const rhs = guarded(instance, "u8", (depth - 1) * rhsStride + n, 15 - shift);
        lhs.view().set(bytes("i8", lhs.view().length, shift));
        rhs.view().set(bytes("u8", rhs.view().length, shift));
        const c = product(
          m,
          n,
          depth,
          (i, k) => lhs.view()[i * lhsStride + k],
          (k, j) => rhs.view()[k * rhsStride + j],
        );
        const left = { values: lhs.view(), stride: lhsStride };
        const right = { values: rhs.view(), stride: rhsStride };
        const length = (m - 1) * outStride + n;
        for (const result of ["i32", "f32", "i8", "u8"] as const) {
          const short = result === "i8" || result === "u8";
          const room = guarded(instance, result, length, short ? shift : 4 * (shift % 8));
          const before = room.view().slice();
          const epilogue = short ? { dtype: result, scale: 500, zeroPoint: 3 } : { dtype: result };
          const out = room.view();
          matmul(instance, left, right, { m, n, depth, ...epilogue, out, outStride });
          const values = result === "i32" ? c : finished(c, n, epilogue, 1, 1);
          const right0 = before.slice();
          values.forEach((value, i) => {
            right0[Math.floor(i / n) * outStride + (i % n)] = value;
          });
          expectSame(room.view(), right0, `${result} at ${shift}`);
          room.expectGuards();
          room.dispose();
        }
        lhs.expectGuards();
        rhs.expectGuards();
      }
    });
  });

  it("multiplies a batch: attention's two products, heads inside the rows", () => {
    // x is [tokens, heads · width]; of each head its queries times its transposed keys, then times
    // its values
    const [tokens, heads, width] = [11, 3, 5];
    const stride = heads * width;
    const x = bytes("i8", tokens * stride, 5);
    const y = bytes("i8", tokens * stride, 6);
    const [m, n] = [tokens, tokens];
    const scores = new Int32Array(heads * m * n);
    const side = { stride, batchStride: width };
    matmul(
      instance,
      { values: x, ...side },
      { values: y, ...side, orientation: "out-in" },
      { m, n, depth: width, batch: heads, out: scores },
    );
    for (let h = 0; h < heads; h++) {
      const right = product(
        m,
        n,
        width,
        (i, k) => x[i * stride + h * width + k],
        (k, j) => y[j * stride + h * width + k],
      );
      expectSame(scores.subarray(h * m * n, (h + 1) * m * n), right, `scores of head ${h}`);
    }

    const attention = bytes("u8", heads * tokens * tokens, 7);
    const mixed = new Int32Array(tokens * stride);
    matmul(
      instance,
      { values: attention, zeroPoint: 9 },
      { values: y, ...side },
      {
        ...{ m, n: width, depth: tokens, batch: heads },
        ...{ out: mixed, outStride: stride, outBatchStride: width },
      },
    );
    for (let h = 0; h < heads; h++) {
      const right = product(
        m,
        width,
        tokens,
        (i, k) => attention[(h * tokens + i) * tokens + k] - 9,
        (k, j) => y[k * stride + h * width + j],
      );
      const got = Int32Array.from(
        right,
        (_, i) => mixed[Math.floor(i / width) * stride + h * width + (i % width)],
      );
      expectSame(got, right, `mix of head ${h}`);
    }
  });

  it("gives each product of a batch its own zero points and scales", () => {
    const [batch, m, n, depth] = [9, 2, 3, 7];
    const { integer, real } = noise(8);
    const lhs = bytes("u8", batch * m * depth, 1);
    const rhs = bytes("i8", batch * depth * n, 2);
    const lhsZeros = Int32Array.from({ length: batch * m }, () => integer(0, 255));
    const rhsZeros = Int32Array.from({ length: batch * n }, () => integer(-128, 127));
    const lhsScales = Float32Array.from({ length: batch * m }, () => real(0.1, 1));
    const rhsScales = Float32Array.from({ length: batch * n }, () => real(0.1, 1));
    const out = new Float32Array(batch * m * n);
    matmul(
      instance,
      { values: lhs, zeroPoint: lhsZeros, scale: lhsScales },
      { values: rhs, zeroPoint: rhsZeros, scale: rhsScales },
      { m, n, depth, batch, dtype: "f32", out },
    );
    for (let b = 0; b < batch; b++) {
      const c = product(
        m,
        n,
        depth,
        (i, k) => lhs[(b * m + i) * depth + k] - lhsZeros[b * m + i],
        (k, j) => rhs[(b * depth + k) * n + j] - rhsZeros[b * n + j],
      );
      const right = finished(
        c,
        n,
        { dtype: "f32" },
        (i) => lhsScales[b * m + i],
        (j) => rhsScales[b * n + j],
      );
      expectSame(out.subarray(b * m * n, (b + 1) * m * n), right, `product ${b}`);
    }
  });

  it("shares one packed matrix among a batch", () => {
    scope(instance, () => {
      const [batch, m, n, depth] = [3, 2, 5, 6];
      const s = sides(["i8", "i8"], batch * m, n, depth);
      const packed = packMatrix(instance, s.rhs, { shape: [depth, n] });
      const c = matmul(instance, { values: s.lhs }, { values: packed }, { m, n, depth, batch });
      expectSame(c, wanted(s));
      const all = tensor(instance, "i8", [batch * m, depth], s.lhs);
      const held = matmul(instance, { values: all }, { values: packed }, { m, batch });
      expect(held.shape).toEqual([batch, m, n]);
      expectSame(held.data, wanted(s));
    });
  });

  it("knows sizes of 0 and 1", () => {
    scope(instance, () => {
      const none = tensor(instance, "i8", [0]);
      const rhs = { values: Int8Array.of(1, 2, 3, 4, 5, 6) };
      const run = (options: MatmulOptions<"i32", never>) =>
        matmul(instance, { values: none }, rhs, options);
      const empty = run({ m: 0, n: 2, depth: 3 });
      expect(empty.shape).toEqual([0, 2]);
      expect(run({ m: 2, n: 2, depth: 3, batch: 0 }).shape).toEqual([0, 2, 2]);
      const one = matmul(
        instance,
        { values: Int8Array.of(-128) },
        { values: Int8Array.of(-128) },
        { m: 1, n: 1, depth: 1 },
      );
      expect([...one]).toEqual([16384]);
    });
  });

  it("reads its sizes from tensors and packed matrices", () => {
    scope(instance, () => {
      const [m, n, depth] = [3, 5, 7];
      const s = sides(["i8", "u8"], m, n, depth);
      const lhs = { values: tensor(instance, "i8", [m, depth], s.lhs) };
      const rhs = { values: tensor(instance, "u8", [depth, n], s.rhs) };
      const turned = { values: tensor(instance, "u8", [n, depth], s.rhs) };
      const packed = { values: packMatrix(instance, s.rhs, { shape: [depth, n] }) };
      const both = matmul(instance, lhs, rhs);
      expect(both.shape).toEqual([m, n]);
      expectSame(both.data, wanted(s));
      const outIn = matmul(instance, lhs, { ...turned, orientation: "out-in" });
      expectSame(outIn.data, wanted(s, true));
      expectSame(matmul(instance, lhs, packed).data, wanted(s));
      const out = new Int32Array(m * n);
      expectSame(matmul(instance, { values: s.lhs }, packed, { m, out }), wanted(s));
      expectSame(matmul(instance, lhs, { values: s.rhs }, { n, out }), wanted(s));
    });
  });

  it("reads a batch from three dimensions; two are shared by all of it", () => {
    scope(instance, () => {
      const [batch, m, n, depth] = [3, 2, 5, 6];
      const s = sides(["i8", "i8"], batch * m, n, depth);
      const lhs = tensor(instance, "i8", [batch, m, depth], s.lhs);
      const rhs = tensor(instance, "i8", [depth, n], s.rhs);
      const c = matmul(instance, { values: lhs }, { values: rhs });
      expect(c.shape).toEqual([batch, m, n]);
      expectSame(c.data, wanted(s));
      const all = bytes("i8", batch * depth * n, 9);
      const own = { values: tensor(instance, "i8", [batch, depth, n], all) };
      const each = matmul(instance, { values: lhs }, own);
      const first = {
        values: tensor(instance, "i8", [m, depth], s.lhs.slice(0, m * depth)),
      };
      const shared = matmul(instance, first, own);
      for (let b = 0; b < batch; b++) {
        const right = all.slice(b * depth * n, (b + 1) * depth * n);
        const left = s.lhs.slice(b * m * depth, (b + 1) * m * depth);
        const part = (c: Tensor) => c.data.subarray(b * m * n, (b + 1) * m * n);
        expectSame(part(each), wanted({ m, n, depth, lhs: left, rhs: right }));
        expectSame(part(shared), wanted({ m, n, depth, lhs: s.lhs, rhs: right }));
      }
    });
  });

  it("sums nothing at depth 0, and makes nothing of no columns", () => {
    scope(instance, () => {
      const none = { values: new Uint8Array(0), zeroPoint: 7 };
      const [m, n, depth] = [2, 3, 0];
      const run = (options: MatmulOptions, rhs: MatrixSide = none) => {
        const result = matmul(instance, none, rhs, { m, n, depth, ...options });
        return Array.from(elementsOf(result));
      };
      expect(run({})).toEqual([0, 0, 0, 0, 0, 0]);
      expect(run({}, { ...none, orientation: "out-in" })).toEqual([0, 0, 0, 0, 0, 0]);
      const bias = Int32Array.of(-1, 3, 200);
      expect(run({ bias })).toEqual([-1, 3, 200, -1, 3, 200]);
      expect(run({ bias, dtype: "u8", scale: 0.5, zeroPoint: 4, high: 99 })).toEqual([
        ...[2, 10, 99],
        ...[2, 10, 99],
      ]);
      const reals = { dtype: "f32", bias: Float32Array.of(-1, 0.5, 9), low: 0, high: 6 } as const;
      expect(run(reals)).toEqual([0, 0.5, 6, 0, 0.5, 6]);
      const zeroPoint = Int32Array.of(1, 2, 3);
      expect(run({ batch: 2 }, { ...none, zeroPoint, scale: 2 })).toEqual(new Array(12).fill(0));
      const lhs = { values: tensor(instance, "i8", [2, 4]) };
      for (const [orientation, shape] of [
        ["in-out", [4, 0]],
        ["out-in", [0, 4]],
      ] as const) {
        const rhs = { values: tensor(instance, "i8", shape), orientation };
        expect(matmul(instance, lhs, rhs).shape).toEqual([2, 0]);
        const out = Int32Array.of(5);
        expect(matmul(instance, lhs, rhs, { out })).toBe(out);
        expect(out[0]).toBe(5);
      }
    });
  });

  it("reads rows that overlap: windows of a signal", () => {
    for (const [stride, m, depth] of [
      [1, 37, 9],
      [3, 21, 16],
      [5, 6, 70],
    ]) {
      const n = 11;
      const signal = bytes("u8", (m - 1) * stride + depth, stride);
      const lhs = Uint8Array.from({ length: m * depth }, (_, i) => {
        return signal[Math.floor(i / depth) * stride + (i % depth)];
      });
      const rhs = bytes("i8", depth * n, m);
      const got = matmul(
        instance,
        { values: signal, stride, zeroPoint: 5 },
        { values: rhs },
        {
          ...{ m, n, depth },
        },
      );
      expectSame(got, wanted({ m, n, depth, lhs, rhs, lhsZero: 5 }), `stride ${stride}`);
    }
  });
});

describeTiers("matmul of quantized values", (instance) => {
  const [m, n, depth] = [5, 7, 12];
  const a = finite(m * depth, 1);
  const b = finite(n * depth, 2);

  it("takes what quantizeRows made, whole, with its sizes", () => {
    for (const dtype of ["i8", "u8"] as const) {
      scope(instance, () => {
        const left = quantizeRows(instance, a, { shape: [m, depth], dtype });
        const right = quantizeRows(instance, b, { shape: [n, depth], dtype });
        const rhs = { ...right, orientation: "out-in" } as const;
        const c = matmul(instance, left, rhs, { dtype: "f32" });
        const [p, q] = [dequantize(instance, left), dequantize(instance, right)];
        for (let i = 0; i < m; i++) {
          for (let j = 0; j < n; j++) {
            let sum = 0;
            for (let k = 0; k < depth; k++) sum += p[i * depth + k] * q[j * depth + k];
            expect(Math.abs(c[i * n + j] - sum)).toBeLessThan(1e-3 * (1 + Math.abs(sum)));
          }
        }
        // the same in tensors, scales and zero points included
        const [x, y] = [
          tensor(instance, "f32", [m, depth], a),
          tensor(instance, "f32", [n, depth], b),
        ];
        const held = matmul(
          instance,
          quantizeRows(instance, x, { dtype }),
          { ...quantizeRows(instance, y, { dtype }), orientation: "out-in" },
          { dtype: "f32" },
        );
        expectSame(held.data, c);
        // a factor on a side is one on its scales
        const half = matmul(instance, { ...left, factor: 0.5 }, rhs, { dtype: "f32" });
        expectSame(
          half,
          c.map((value) => value * 0.5),
        );
        const other = matmul(instance, left, { ...rhs, factor: 0.25 }, { dtype: "f32" });
        expectSame(
          other,
          c.map((value) => value * 0.25),
        );
      });
    }
  });

  it("reads rows of rhs that overlap", () => {
    const signal = Int8Array.from({ length: 16 }, (_, i) => (i * 7) % 11);
    const windows = { values: signal, stride: 2, orientation: "out-in" } as const;
    const kernel = { values: Int8Array.of(1, -2, 3, 4) };
    const c = matmul(instance, kernel, windows, { m: 1, n: 7, depth: 4 });
    const wanted = Array.from({ length: 7 }, (_, j) =>
      kernel.values.reduce((sum, tap, k) => sum + tap * signal[j * 2 + k], 0),
    );
    expectSame(c, wanted);
  });

  it("adds results to out, dense and apart, in arrays and in tensors", () => {
    scope(instance, () => {
      const left = { values: Int8Array.from({ length: m * depth }, (_, i) => (i % 9) - 4) };
      const right = { values: Int8Array.from({ length: depth * n }, (_, i) => (i % 5) - 2) };
      const sizes = { m, n, depth };
      const c = matmul(instance, left, right, sizes);
      const sums = Int32Array.from({ length: m * n }, (_, i) => i);
      const added = matmul(instance, left, right, {
        ...sizes,
        out: sums.slice(),
        accumulate: true,
      });
      expectSame(
        added,
        c.map((value, i) => value + i),
      );
      const wide = Int32Array.from({ length: m * (n + 3) }, (_, i) => -i);
      const apart = tensor(instance, "i32", [m, n + 3], wide);
      matmul(instance, left, right, { ...sizes, out: apart, outStride: n + 3, accumulate: true });
      const wanted = wide.map((value, i) => {
        const [row, column] = [Math.floor(i / (n + 3)), i % (n + 3)];
        return column < n ? value + c[row * n + column] : value;
      });
      expectSame(apart.data, wanted);
    });
  });

  it("gives the integers of a packed matrix back", () => {
    const codes = Int8Array.from({ length: depth * n }, (_, i) => ((i * 37) % 256) - 128);
    using packed = packMatrix(instance, codes, { shape: [n, depth], orientation: "out-in" });
    expectSame(packed.toArray(), codes);
  });
});
