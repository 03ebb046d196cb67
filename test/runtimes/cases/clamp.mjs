import { lengths, specials } from "./inputs.mjs";

export function* clamp({ clamp }, lane, random) {
  for (const n of lengths) {
    yield [`f32 n=${n}`, clamp(lane, random.reals(n, -7, 7), { low: -1.5, high: 6 })];
    yield [`i8 n=${n}`, clamp(lane, random.integers("i8", n), { low: -100, high: 5 })];
    yield [`u8 n=${n}`, clamp(lane, random.integers("u8", n), { low: 3, high: 250 })];
    const wide = random.integers("i32", n, [-1_000_000, 1_000_000]);
    yield [`i32 n=${n}`, clamp(lane, wide, { low: -70_000, high: 900_000 })];
  }
  yield ["f32 specials", clamp(lane, specials, { low: -1, high: 1 })];
  yield ["f32 open", clamp(lane, specials, { low: 0 })];
  yield ["f32 patterns", clamp(lane, random.patterns(501), { low: -1e30, high: 1e-30 })];
}
