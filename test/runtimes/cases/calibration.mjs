const asArrays = ({ scale, zeroPoint }) => [
  typeof scale === "number" ? Float32Array.of(scale) : scale,
  typeof zeroPoint === "number" ? Int32Array.of(zeroPoint) : zeroPoint,
];

export function* calibration({ createMinMaxObserver }, lane, random) {
  for (const averaging of [undefined, 0.01]) {
    const all = createMinMaxObserver(lane, { averaging });
    const channels = createMinMaxObserver(lane, { axis: -1, averaging });
    for (let batch = 0; batch < 5; batch++) {
      const x = random.reals(6 * 7, -batch - 1, batch + 2);
      all.observe(x);
      channels.observe(x, { shape: [6, 7] });
    }
    for (const scheme of ["symmetric", "asymmetric"]) {
      yield [`min/max ${averaging} ${scheme}`, ...asArrays(all.params({ scheme }))];
      yield [`min/max ${averaging} ${scheme} channels`, ...asArrays(channels.params({ scheme }))];
    }
  }
}
