/**
 * dst[i] = src[i], NaN where src[i] is not finite; the number of those is returned. Where it is 0, nothing
 * is written: calibration then reads src itself, and so pays one pass that only reads.
 */
export function mask_non_finite_f32(src: usize, dst: usize, n: i32): i32 {
  const end = src + ((<usize>n) << 2);
  const whole = src + ((<usize>n & ~15) << 2);
  // x − x is 0, or NaN where x is NaN or infinite; NaN stays in a sum
  let sum0 = f32x4.splat(0);
  let sum1 = sum0;
  let sum2 = sum0;
  let sum3 = sum0;
  let at = src;
  for (; at < whole; at += 64) {
    const a = v128.load(at);
    const b = v128.load(at, 16);
    const c = v128.load(at, 32);
    const d = v128.load(at, 48);
    sum0 = f32x4.add(sum0, f32x4.sub(a, a));
    sum1 = f32x4.add(sum1, f32x4.sub(b, b));
    sum2 = f32x4.add(sum2, f32x4.sub(c, c));
    sum3 = f32x4.add(sum3, f32x4.sub(d, d));
  }
  const sum = f32x4.add(f32x4.add(sum0, sum1), f32x4.add(sum2, sum3));
  let found = v128.any_true(f32x4.ne(sum, sum));
  for (; at < end; at += 4) {
    const x = load<f32>(at);
    found = found || x - x != 0;
  }
  if (!found) return 0;
  let count = 0;
  for (; src < end; src += 4, dst += 4) {
    let x = load<f32>(src);
    x += x - x;
    count += i32(x != x);
    store<f32>(dst, x);
  }
  return count;
}
