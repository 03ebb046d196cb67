/**
 * y = activation(x), element by element; `dst` may be `src`. ReLU and its bounded forms are
 * clamp_f32 of the main module. The last values, fewer than four, use the same vector function.
 */
import { zero_v128 } from "../lanes";
import { F32x4, loadTail, storeTail } from "./functions";

const EXP: i32 = 0;
const SIGMOID: i32 = 1;
const TANH: i32 = 2;
const SILU: i32 = 3;
const GELU: i32 = 4;
const GELU_TANH: i32 = 5;
/** min(max(alpha · x + beta, 0), 1). */
const HARD_SIGMOID: i32 = 6;
/** x · hardSigmoid(x) + offset. An offset of −0 changes nothing. */
const HARD_SWISH: i32 = 7;
/** alpha is the slope below zero. */
const LEAKY_RELU: i32 = 8;

/** `kind` is a constant where these functions are inlined, so only one branch remains. */
class Activation {
  @inline static apply(kind: i32, x: v128, alpha: v128, beta: v128): v128 {
    if (kind == EXP) return F32x4.exp(x);
    if (kind == SIGMOID) return F32x4.sigmoid(x);
    if (kind == TANH) return F32x4.tanh(x);
    if (kind == SILU) return f32x4.mul(x, F32x4.sigmoid(x));
    if (kind == GELU) return F32x4.gelu(x);
    if (kind == GELU_TANH) return F32x4.geluTanh(x);
    if (kind == HARD_SIGMOID) return F32x4.hardSigmoid(x, alpha, beta, zero_v128(), F32x4.one());
    return v128.bitselect(f32x4.mul(x, alpha), x, f32x4.lt(x, i32x4.splat(0)));
  }

  @inline static run(kind: i32, src: usize, dst: usize, n: i32, alpha: f32, beta: f32): void {
    const a = f32x4.splat(alpha);
    const b = f32x4.splat(beta);
    for (; n >= 4; n -= 4, src += 16, dst += 16) {
      v128.store(dst, Activation.apply(kind, v128.load(src), a, b));
    }
    if (n > 0) {
      storeTail(dst, Activation.apply(kind, loadTail(src, n, i32x4.splat(0)), a, b), n);
    }
  }
}

/** A function of its own: with bounds in registers and four vectors per turn it is faster. */
function hardSwish(src: usize, dst: usize, n: i32, alpha: f32, beta: f32, offset: f32): void {
  const a = f32x4.splat(alpha);
  const b = f32x4.splat(beta);
  const c = f32x4.splat(offset);
  const zero = zero_v128();
  const one = F32x4.one();
  for (; n >= 16; n -= 16, src += 64, dst += 64) {
    v128.store(dst, F32x4.hardSwish(v128.load(src), a, b, c, zero, one));
    v128.store(dst, F32x4.hardSwish(v128.load(src, 16), a, b, c, zero, one), 16);
    v128.store(dst, F32x4.hardSwish(v128.load(src, 32), a, b, c, zero, one), 32);
    v128.store(dst, F32x4.hardSwish(v128.load(src, 48), a, b, c, zero, one), 48);
  }
  for (; n >= 4; n -= 4, src += 16, dst += 16) {
    v128.store(dst, F32x4.hardSwish(v128.load(src), a, b, c, zero, one));
  }
  if (n > 0) storeTail(dst, F32x4.hardSwish(loadTail(src, n, zero), a, b, c, zero, one), n);
}

// biome-ignore format: one line a kind
export function activate_f32(
  kind: i32, src: usize, dst: usize, n: i32, alpha: f32, beta: f32, offset: f32,
): void {
  switch (kind) {
    case EXP: Activation.run(EXP, src, dst, n, alpha, beta); break;
    case SIGMOID: Activation.run(SIGMOID, src, dst, n, alpha, beta); break;
    case TANH: Activation.run(TANH, src, dst, n, alpha, beta); break;
    case SILU: Activation.run(SILU, src, dst, n, alpha, beta); break;
    case GELU: Activation.run(GELU, src, dst, n, alpha, beta); break;
    case GELU_TANH: Activation.run(GELU_TANH, src, dst, n, alpha, beta); break;
    case HARD_SIGMOID: Activation.run(HARD_SIGMOID, src, dst, n, alpha, beta); break;
    case HARD_SWISH: hardSwish(src, dst, n, alpha, beta, offset); break;
    case LEAKY_RELU: Activation.run(LEAKY_RELU, src, dst, n, alpha, beta); break;
  }
}

/**
 * dst[i] = table[src[i]], both 8 bits of either type; the table has 256 entries in the order of the
 * bytes as u8, on any address. A swizzle gives 0 for an index above 15, so that the sixteen parts
 * of the table can be joined by or.
 */
export function lookup_8(src: usize, dst: usize, n: i32, table: usize): void {
  const sixteen = i8x16.splat(16);
  for (; n >= 32; n -= 32, src += 32, dst += 32) {
    let x = v128.load(src);
    let y = v128.load(src, 16);
    let left = i8x16.splat(0);
    let right = left;
    for (let part: usize = 0; part < 256; part += 16) {
      const entries = v128.load(table + part);
      left = v128.or(left, i8x16.swizzle(entries, x));
      right = v128.or(right, i8x16.swizzle(entries, y));
      x = i8x16.sub(x, sixteen);
      y = i8x16.sub(y, sixteen);
    }
    v128.store(dst, left);
    v128.store(dst, right, 16);
  }
  for (; n > 0; n--, src++, dst++) store<u8>(dst, load<u8>(table + load<u8>(src)));
}
