import { lengths, specials } from "./inputs.mjs";

export function* clamp({ clamp }, instance, random) {
  for (const n of lengths) {
    yield [`f32 n=${n}`, clamp(instance, random.reals(n, -7, 7), { low: -1.5, high: 6 })];
    yield [`i8 n=${n}`, clamp(instance, random.integers("i8", n), { low: -100, high: 5 })];
    yield [`u8 n=${n}`, clamp(instance, random.integers("u8", n), { low: 3, high: 250 })];
    const wide = random.integers("i32", n, [-1_000_000, 1_000_000]);
    yield [`i32 n=${n}`, clamp(instance, wide, { low: -70_000, high: 900_000 })];
  }
  yield ["f32 specials", clamp(instance, specials, { low: -1, high: 1 })];
  yield ["f32 open", clamp(instance, specials, { low: 0 })];
  yield ["f32 patterns", clamp(instance, random.patterns(501), { low: -1e30, high: 1e-30 })];
}
