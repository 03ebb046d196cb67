import { lengths, specials } from "./inputs.mjs";

const pair = ({ min, max }) => Float32Array.of(min, max);

export function* reduce({ minMax }, instance, random) {
  for (const n of lengths) yield [`n=${n}`, pair(minMax(instance, random.reals(n, -7, 7)))];
  yield ["specials", pair(minMax(instance, specials))];
  yield ["patterns", pair(minMax(instance, random.patterns(501)))];
  yield ["nothing but NaN", pair(minMax(instance, new Float32Array(19).fill(Number.NaN)))];
  yield ["negative zeros", pair(minMax(instance, new Float32Array(19).fill(-0)))];
  for (const axis of [0, 1, 2]) {
    const shape = [4, 5, 19];
    const { min, max } = minMax(instance, random.reals(380, -7, 7), { axis, shape });
    yield [`axis ${axis}`, min, max];
  }
}
