// No kernel runs here: what is held against the other engines is their arithmetic on doubles.

export function* params({ chooseParams }, _lane, random) {
  const ranges = [
    [0, 0],
    [-1, 1],
    [0, 5],
    [-5, 0],
    [2, 7],
    [-3e38, 3e38],
    [-(2 ** -140), 2 ** -140],
    [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
    ...Array.from({ length: 40 }, () => [random.real(-9, 0), random.real(0, 9)]),
  ];
  for (const dtype of ["i8", "u8"]) {
    for (const bits of [8, 7, 4, 2]) {
      for (const scheme of ["asymmetric", "symmetric", "full"]) {
        const options = scheme === "full" ? { symmetricRange: "full" } : { scheme };
        const chosen = ranges.map(([min, max]) =>
          chooseParams({ min, max }, { dtype, bits, ...options }),
        );
        yield [
          `${dtype} ${bits} bits ${scheme}`,
          Float32Array.from(chosen, ({ scale }) => scale),
          Int32Array.from(chosen, ({ zeroPoint }) => zeroPoint),
        ];
      }
    }
  }
}
