const types = ["i8", "u8"];
const zerosOf = { i8: [-128, 127], u8: [0, 255] };

/** Sizes about the edges of a tile of 4 × 8 and of steps of 2 and 4 in depth, then a few blocks. */
const sizes = [
  [1, 1, 1],
  [1, 8, 4],
  [1, 9, 5],
  [1, 67, 130],
  [2, 7, 3],
  [3, 16, 31],
  [4, 8, 16],
  [5, 9, 17],
  [7, 33, 65],
  [8, 24, 2],
  [13, 17, 19],
  [33, 40, 129],
  [64, 48, 257],
];

export function* gemm({ matmul, packMatrix }, instance, random) {
  const arrays = { i32: Int32Array, f32: Float32Array, i8: Int8Array, u8: Uint8Array };
  const multiply = (lhs, rhs, options) => {
    const { m, n, batch = 1, dtype = "i32" } = options;
    const out = new arrays[dtype](batch * m * n);
    matmul(instance, lhs, rhs, { ...options, out });
    return out;
  };

  for (const a of types) {
    for (const b of types) {
      for (const [m, n, depth] of sizes) {
        const name = `${a}·${b} ${m}×${n}×${depth}`;
        const size = { m, n, depth };
        const lhs = { values: random.integers(a, m * depth) };
        const rhs = { values: random.integers(b, depth * n) };
        yield [name, multiply(lhs, rhs, size)];
        yield [`${name} transposed`, multiply(lhs, { ...rhs, orientation: "out-in" }, size)];
        const moved = [
          { ...lhs, zeroPoint: random.integers("i32", m, zerosOf[a]) },
          { ...rhs, zeroPoint: random.integers("i32", n, zerosOf[b]) },
        ];
        yield [`${name} zero points`, multiply(...moved, size)];
        for (const orientation of ["in-out", "out-in"]) {
          const shape = orientation === "in-out" ? [depth, n] : [n, depth];
          const packed = packMatrix(instance, rhs.values, { orientation, shape, zeroPoint: 17 });
          yield [`${name} packed ${orientation}`, multiply(moved[0], { values: packed }, size)];
          packed.dispose();
        }
      }
      for (const [m, n, depth] of [
        [1, 24, 333],
        [6, 11, 333],
      ]) {
        const lhs = { values: random.extremes(a, m * depth), zeroPoint: zerosOf[a][0] };
        const rhs = { values: random.extremes(b, depth * n), zeroPoint: zerosOf[b][1] };
        yield [`${a}·${b} extremes ${m}×${n}×${depth}`, multiply(lhs, rhs, { m, n, depth })];
        // the largest sums there are: all products of one sign
        for (const x of zerosOf[a]) {
          for (const y of zerosOf[b]) {
            const left = {
              values: lhs.values.fill(x),
              zeroPoint: x === zerosOf[a][0] ? zerosOf[a][1] : 0,
            };
            const right = { values: rhs.values.fill(y) };
            const name = `${a}·${b} all ${x}·${y} ${m}×${n}×${depth}`;
            yield [name, multiply(left, right, { m, n, depth })];
          }
        }
      }
    }
  }

  // 7-bit weights: the relaxed build multiplies them by another instruction
  for (const a of types) {
    for (const [m, n, depth] of sizes) {
      const lhs = { values: random.integers(a, m * depth), zeroPoint: zerosOf[a][0] + 60 };
      const ends = random.integers("i8", depth * n, [0, 1]).map((bit) => (bit ? 63 : -64));
      for (const [kind, weights] of [
        ["random", random.integers("i8", depth * n, [-64, 63])],
        ["ends", ends],
      ]) {
        const packed = packMatrix(instance, weights, { shape: [depth, n], bits: 7 });
        yield [
          `7 bit ${a} ${kind} ${m}×${n}×${depth}`,
          multiply(lhs, { values: packed }, { m, n, depth }),
        ];
        packed.dispose();
      }
      for (const x of zerosOf[a]) {
        for (const y of [-64, 63]) {
          const packed = packMatrix(instance, ends.fill(y), { shape: [depth, n], bits: 7 });
          const right = { values: packed };
          const name = `7 bit ${a} all ${x}·${y} ${m}×${n}×${depth}`;
          yield [name, multiply({ values: lhs.values.fill(x) }, right, { m, n, depth })];
          packed.dispose();
        }
      }
    }
  }

  for (const [m, n, depth] of sizes) {
    const size = { m, n, depth };
    const lhs = { values: random.integers("u8", m * depth), zeroPoint: 121, scale: 0.017 };
    const rhs = { values: random.integers("i8", depth * n), scale: random.scales(n) };
    const rows = { ...lhs, scale: random.scales(m) };
    const bias = random.reals(n, -20, 20);
    const levels = random.integers("i32", n, [-9000, 9000]);
    const name = `${m}×${n}×${depth}`;
    yield [`f32 ${name}`, multiply(lhs, rhs, { ...size, dtype: "f32" })];
    yield [`f32 rows bias ${name}`, multiply(rows, rhs, { ...size, dtype: "f32", bias })];
    yield [
      `f32 ReLU6 ${name}`,
      multiply(lhs, rhs, { ...size, dtype: "f32", bias, low: 0, high: 6 }),
    ];
    yield [
      `i8 ${name}`,
      multiply(lhs, rhs, { ...size, dtype: "i8", scale: 1.7, zeroPoint: -9, bias: levels }),
    ];
    yield [
      `u8 ${name}`,
      multiply(lhs, rhs, { ...size, dtype: "u8", scale: 0.9, zeroPoint: 128, low: 60, high: 199 }),
    ];
  }

  // strides: every operand lies inside a wider matrix, the gaps keep what they held
  for (const transposed of [false, true]) {
    const [m, n, depth, batch] = [5, 11, 23, 3];
    const wide = { lhs: depth + 3, rhs: (transposed ? depth : n) + 5, out: n + 2 };
    const lhs = {
      values: random.integers("i8", batch * m * wide.lhs),
      stride: wide.lhs,
      zeroPoint: random.integers("i32", batch * m, [-128, 127]),
      scale: random.scales(batch * m),
    };
    const rhs = {
      values: random.integers("u8", batch * (transposed ? n : depth) * wide.rhs),
      stride: wide.rhs,
      orientation: transposed ? "out-in" : "in-out",
      zeroPoint: random.integers("i32", batch * n, [0, 255]),
      scale: random.scales(batch * n),
    };
    const out = random.reals(batch * m * wide.out, -1, 1);
    const before = out.slice();
    matmul(instance, lhs, rhs, { m, n, depth, batch, dtype: "f32", outStride: wide.out, out });
    const gap = out.findIndex((value, i) => i % wide.out >= n && value !== before[i]);
    if (gap >= 0) throw new Error(`out[${gap}] expected ${before[gap]} as before, got ${out[gap]}`);
    yield [`batch of 3, strides, transposed ${transposed}`, out];
  }
}
