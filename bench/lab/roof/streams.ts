/**
 * Instruction streams: the most that this machine can do, timed beside what is measured.
 *
 * A register stream feeds every sum back into its own product:
 *
 *     sum[i] = sum[i] + dot(sum[i], factor)        i = 0 … 11
 *
 * No operand is a loop invariant, so nothing can be hoisted; no two expressions are equal, so
 * nothing can be merged. The values wrap, only the number of instructions matters. 12 sums, the
 * factor, the ones and one temporary fit the 15 vector registers that V8 leaves on x64, and 12
 * chains of 5 cycles each keep two multipliers busy.
 */

/** The number of sums, and of products' instructions a turn. */
export const CHAINS: i32 = 12;

// In [0, 127], where the relaxed dot products of all engines agree.
const FACTOR = memory.data<u32>([0x0305070b, 0x0d111317, 0x1d1f2529, 0x2b2f353b], 16);
const ONES = memory.data<u32>([0x00010001, 0x00010001, 0x00010001, 0x00010001], 16);

/** T names the stream: i16 = dot and add, i8 = two-step relaxed, u8 = fused relaxed. */
function step<T>(sum: v128, factor: v128, ones: v128): v128 {
  if (sizeof<T>() === 2) return i32x4.add(sum, i32x4.dot_i16x8_s(sum, factor));
  if (isSigned<T>()) {
    const pairs_i16x8 = i16x8.relaxed_dot_i8x16_i7x16_s(sum, factor);
    return i32x4.add(sum, i32x4.dot_i16x8_s(pairs_i16x8, ones));
  }
  return i32x4.relaxed_dot_i8x16_i7x16_add_s(sum, factor, sum);
}

function stream<T>(turns: i32): i32 {
  const factor = v128.load(FACTOR);
  const ones = v128.load(ONES);
  let s0 = i32x4.splat(turns);
  let s1 = i32x4.add(s0, ones);
  let s2 = i32x4.add(s1, ones);
  let s3 = i32x4.add(s2, ones);
  let s4 = i32x4.add(s3, ones);
  let s5 = i32x4.add(s4, ones);
  let s6 = i32x4.add(s5, ones);
  let s7 = i32x4.add(s6, ones);
  let s8 = i32x4.add(s7, ones);
  let s9 = i32x4.add(s8, ones);
  let s10 = i32x4.add(s9, ones);
  let s11 = i32x4.add(s10, ones);
  for (; turns > 0; turns--) {
    s0 = step<T>(s0, factor, ones);
    s1 = step<T>(s1, factor, ones);
    s2 = step<T>(s2, factor, ones);
    s3 = step<T>(s3, factor, ones);
    s4 = step<T>(s4, factor, ones);
    s5 = step<T>(s5, factor, ones);
    s6 = step<T>(s6, factor, ones);
    s7 = step<T>(s7, factor, ones);
    s8 = step<T>(s8, factor, ones);
    s9 = step<T>(s9, factor, ones);
    s10 = step<T>(s10, factor, ones);
    s11 = step<T>(s11, factor, ones);
  }
  let all = v128.xor(v128.xor(v128.xor(s0, s1), v128.xor(s2, s3)), v128.xor(s4, s5));
  all = v128.xor(all, v128.xor(v128.xor(v128.xor(s6, s7), v128.xor(s8, s9)), v128.xor(s10, s11)));
  return i32x4.extract_lane(all, 0) ^ i32x4.extract_lane(all, 3);
}

export function dot(turns: i32): i32 {
  return stream<i16>(turns);
}

export function two_step(turns: i32): i32 {
  return ASC_FEATURE_RELAXED_SIMD ? stream<i8>(turns) : 0;
}

export function fused(turns: i32): i32 {
  return ASC_FEATURE_RELAXED_SIMD ? stream<u8>(turns) : 0;
}

/** 8 dependent products a turn, 3 cycles each on today's x64 and Arm cores: the clock. */
export function products(turns: i32): i32 {
  let x = turns | 1;
  for (; turns > 0; turns--) {
    x *= x;
    x *= x;
    x *= x;
    x *= x;
    x *= x;
    x *= x;
    x *= x;
    x *= x;
  }
  return x;
}

/**
 * The traffic of f32 → i8: 64 bytes read and 16 written a turn.
 *
 *     src  [ 16 | 16 | 16 | 16 ]  →  or  →  dst [ 16 ]
 */
export function load4_store1(src: usize, dst: usize, bytes: i32): void {
  for (let i = 0; i < bytes; i += 64, src += 64, dst += 16) {
    const low = v128.or(v128.load(src), v128.load(src, 16));
    const high = v128.or(v128.load(src, 32), v128.load(src, 48));
    v128.store(dst, v128.or(low, high));
  }
}

/** The same traffic with the divisions of a quantizer. */
export function divide4_store1(src: usize, dst: usize, bytes: i32): void {
  const divisor = f32x4.splat(1.5);
  for (let i = 0; i < bytes; i += 64, src += 64, dst += 16) {
    const a = f32x4.div(v128.load(src), divisor);
    const b = f32x4.div(v128.load(src, 16), divisor);
    const c = f32x4.div(v128.load(src, 32), divisor);
    const d = f32x4.div(v128.load(src, 48), divisor);
    v128.store(dst, v128.or(v128.or(a, b), v128.or(c, d)));
  }
}

/** The traffic of i8 → f32: 16 bytes read and 64 written a turn. */
export function load1_store4(src: usize, dst: usize, bytes: i32): void {
  for (let i = 0; i < bytes; i += 16, src += 16, dst += 64) {
    const x = v128.load(src);
    v128.store(dst, x);
    v128.store(dst, x, 16);
    v128.store(dst, x, 32);
    v128.store(dst, x, 48);
  }
}

/** The traffic of a reduction: 64 bytes read a turn, one stream. */
export function load4(src: usize, bytes: i32): i32 {
  let a = i32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  for (let i = 0; i < bytes; i += 64, src += 64) {
    a = v128.or(a, v128.load(src));
    b = v128.or(b, v128.load(src, 16));
    c = v128.or(c, v128.load(src, 32));
    d = v128.or(d, v128.load(src, 48));
  }
  return i32x4.extract_lane(v128.or(v128.or(a, b), v128.or(c, d)), 0);
}

export function copy(src: usize, dst: usize, bytes: i32): void {
  memory.copy(dst, src, bytes);
}
