/**
 * Numbers for the specs: the awkward ones first, then pseudo-random ones (xorshift32, fixed seed).
 */

const AWKWARD: StaticArray<f32> = [
  0,
  -0,
  0.5,
  -0.5,
  1.5,
  -1.5,
  2.5,
  -2.5,
  0.49999997,
  -0.49999997,
  0.50000006,
  -0.50000006,
  126.5,
  127.49999,
  127.5,
  128.5,
  -127.5,
  -128.5,
  -129.5,
  254.5,
  255.5,
  256.5,
  2097151.5,
  2097152,
  -2097152,
  2097153,
  4194303.5,
  -4194304,
  8388609,
  -8388609,
  16777216,
  2147483648,
  -2147483648,
  4294967296,
  3.4028234663852886e38,
  -3.4028234663852886e38,
  1e-45,
  -1e-45,
  1.1754942106924411e-38,
  -1.1754943508222875e-38,
  Infinity,
  -Infinity,
  NaN,
  -NaN,
];

let state: u32 = 0x2545f491;

export function bits(): u32 {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

/** An f32 between −1000 and 1000, most of them small, some of them ties. */
export function real(): f32 {
  const step = <i32>(bits() % 4001) - 2000;
  return bits() % 4 == 0 ? <f32>step * 0.5 : <f32>step * (<f32>(bits() % 1024) / 2048);
}

/** The i-th f32: awkward while there are any. */
export function sample(i: i32): f32 {
  return i < AWKWARD.length ? AWKWARD[i] : real();
}

export function awkward(): i32 {
  return AWKWARD.length;
}

/** n reals, awkward ones from `from` on. */
export function reals(n: i32, from: i32): StaticArray<f32> {
  const array = new StaticArray<f32>(n);
  for (let i = 0; i < n; i++) array[i] = sample(from + i);
  return array;
}

/** n bytes, the extremes of both 8-bit types among them. */
export function bytes(n: i32): StaticArray<u8> {
  const array = new StaticArray<u8>(n);
  for (let i = 0; i < n; i++) {
    const b = bits();
    array[i] = b % 8 == 0 ? 0x80 : b % 8 == 1 ? 0x7f : b % 8 == 2 ? 0xff : <u8>(b >> 8);
  }
  return array;
}

/** n accumulators: small ones, large ones, and the ends of i32. */
export function integers(n: i32): StaticArray<i32> {
  const array = new StaticArray<i32>(n);
  for (let i = 0; i < n; i++) {
    const b = bits();
    const shift = <i32>(bits() % 31);
    array[i] = b % 32 == 0 ? i32.MAX_VALUE : b % 32 == 1 ? i32.MIN_VALUE : <i32>b >> shift;
  }
  return array;
}

export function at<T>(array: StaticArray<T>): usize {
  return changetype<usize>(array);
}

let compared: i32 = 0;
let missed: i32 = 0;
let first: string = "";

/**
 * Notes a difference. One `expect` costs a third of a millisecond, so loops compare and expect
 * once: `expect<string>(misses()).toBe("")`. `place` says where in the caller's data.
 */
export function compare(got: i32, wanted: i32, place: i32 = compared): void {
  compared++;
  if (got == wanted) return;
  if (!missed) first = `at ${place}: got ${got}, wanted ${wanted}`;
  missed++;
}

/** The same of reals, by their bits. */
export function compareReals(got: f32, wanted: f32, place: i32 = compared): void {
  compared++;
  if (reinterpret<i32>(got) == reinterpret<i32>(wanted) || (got != got && wanted != wanted)) return;
  if (!missed) first = `at ${place}: got ${got}, wanted ${wanted}`;
  missed++;
}

/** Compares n bytes. */
export function compareBytes(got: usize, wanted: usize, n: i32): void {
  for (let i = 0; i < n; i++) compare(load<u8>(got + i), load<u8>(wanted + i), i);
}

/** The first difference since the last call and how many there were, or nothing. */
export function misses(): string {
  const text = missed ? `${first} (${missed} of ${compared} differ)` : "";
  compared = 0;
  missed = 0;
  return text;
}
