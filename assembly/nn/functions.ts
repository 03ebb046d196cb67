/**
 * exp, sigmoid, tanh and GELU of four f32: one fixed sequence of f32 operations each, without fused
 * multiply-adds, so that every engine gives the same bytes. Largest errors, against f64
 * (test/nn/activation.test.ts, test/nn/hostile-rows.test.ts):
 *
 *   exp, sigmoid, tanh       3 ulp over all f32
 *   GELU                     4 · 2^-24 of |x|
 *   SiLU                     2^-22 of the larger of |x| and 1
 *
 * They are inlined, because a call per vector takes a third of the time of `exp`.
 */
import { magic_f32x4 } from "../lanes";

/**
 * Scalars, broadcast where they are used (lanes.ts says why they are no literals). The polynomials
 * are minimax fits of the functions that their lines name, for the relative error; degrees are
 * those at which rounding outweighs the fit.
 */
const TABLE = memory.data<f32>(
  // biome-ignore format: groups as the comments say
  [
    // 0 exp: least and largest argument, log2(e), and ln(2) in two parts, the first of 9 bits
    -104.0,
    89.0, 1.4426950216293335, 0.693359375, -0.00021219444170128554,
    // 5 (exp(r) − 1 − r) / r² on |r| ≤ ln(2) / 2, degrees 4 to 0
    0.0013950476422905922, 0.008368882350623608, 0.04166620597243309, 0.166665181517601, 0.5,
    // 10 sigmoid and the rest: 1, and 2
    1.0, 2.0,
    // 12 tanh: limit of the polynomial, then (tanh(x) / x − 1) / x² in x², degrees 4 to 0
    0.625, -0.005648307502269745, 0.020589817315340042, -0.05372512340545654, 0.13331274688243866,
    -0.33333274722099304,
    // 18 GELU: limit, −1/2, and P(z) / Q(z) = erfc(z / √2) · exp(z² / 2) / 2 on [0, 14.5]:
    // P from degree 4 down
    14.5,
    -0.5, 0.004116009920835495, 0.040631379932165146, 0.18322992324829102, 0.4382883310317993, 0.5,
    // 25 Q from degree 5 down; its last coefficient is 1
    0.010317186824977398, 0.10185421258211136, 0.4694567918777466, 1.2024822235107422,
    1.6744616031646729,
    // 30 GELU by tanh: 2 · √(2/π), and that · 0.044715
    1.5957691216057308, 0.07135481627159693,
    // 32 exp of a difference to a peak: least argument whose power of two is a normal number
    -87.33654022216797,
  ],
  16,
);

/** The entry of the table in all lanes. */
function constant(index: usize): v128 {
  return v128.load32_splat(TABLE + (index << 2));
}

export class F32x4 {
  @inline static one(): v128 {
    return constant(10);
  }

  /**
   * e^x = 2^n · e^r with n = round(x · log2(e)), r = x − n · ln(2). 2^n is multiplied in two
   * halves, so that n may leave the exponents of normal numbers: results reach down to the denormal
   * ones and up to infinity.
   */
  @inline static exp(x: v128): v128 {
    const magic = magic_f32x4();
    // a NaN is the first operand, and stays
    x = f32x4.pmin(f32x4.pmax(x, constant(0)), constant(1));
    const shifted = f32x4.add(f32x4.mul(x, constant(2)), magic);
    const p = F32x4.power(x, f32x4.sub(shifted, magic));
    // as integers, the bits of magic are those of n = 0, and the bits of 1 an exponent of 0
    const exponent = i32x4.sub(shifted, magic);
    const half = i32x4.shr_s(exponent, 1);
    const one = constant(10);
    return f32x4.mul(
      f32x4.mul(p, i32x4.add(i32x4.shl(half, 23), one)),
      i32x4.add(i32x4.shl(i32x4.sub(exponent, half), 23), one),
    );
  }

  /** e^x for x ≤ 0, where results below 2^-126 are 0: the terms of a softmax. */
  @inline static expDown(x: v128): v128 {
    const magic = magic_f32x4();
    const least = constant(32);
    // a NaN is not less, and stays
    const none = f32x4.lt(x, least);
    x = f32x4.pmax(x, least);
    const shifted = f32x4.add(f32x4.mul(x, constant(2)), magic);
    const p = F32x4.power(x, f32x4.sub(shifted, magic));
    const factor = i32x4.add(i32x4.shl(i32x4.sub(shifted, magic), 23), constant(10));
    return v128.andnot(f32x4.mul(p, factor), none);
  }

  /** e^r with r = x − n · ln(2), by a polynomial. */
  @inline static power(x: v128, n: v128): v128 {
    const r = f32x4.sub(f32x4.sub(x, f32x4.mul(n, constant(3))), f32x4.mul(n, constant(4)));
    let p = f32x4.add(f32x4.mul(constant(5), r), constant(6));
    p = f32x4.add(f32x4.mul(p, r), constant(7));
    p = f32x4.add(f32x4.mul(p, r), constant(8));
    p = f32x4.add(f32x4.mul(p, r), constant(9));
    return f32x4.add(f32x4.add(f32x4.mul(f32x4.mul(p, r), r), r), constant(10));
  }

  /** 1 / (1 + e^−x), for x < 0 as e^x / (1 + e^x), which is accurate where it is small. */
  @inline static sigmoid(x: v128): v128 {
    const one = constant(10);
    const e = F32x4.exp(f32x4.neg(f32x4.abs(x)));
    const top = v128.bitselect(e, one, f32x4.lt(x, i32x4.splat(0)));
    return f32x4.div(top, f32x4.add(one, e));
  }

  /** x + x³ · P(x²) near zero, elsewhere ±(1 − 2 / (e^2|x| + 1)). */
  @inline static tanh(x: v128): v128 {
    const z = f32x4.abs(x);
    const square = f32x4.mul(x, x);
    let p = f32x4.add(f32x4.mul(constant(13), square), constant(14));
    p = f32x4.add(f32x4.mul(p, square), constant(15));
    p = f32x4.add(f32x4.mul(p, square), constant(16));
    p = f32x4.add(f32x4.mul(p, square), constant(17));
    p = f32x4.add(f32x4.mul(f32x4.mul(p, square), x), x);
    const e = F32x4.exp(f32x4.add(z, z));
    const far = f32x4.sub(constant(10), f32x4.div(constant(11), f32x4.add(e, constant(10))));
    const size = v128.bitselect(f32x4.abs(p), far, f32x4.lt(z, constant(12)));
    return v128.or(size, v128.xor(x, z));
  }

  /**
   * x · Φ(x), Φ being the normal distribution. With z = |x|, Φ(−z) = e^(−z² / 2) · P(z) / Q(z); for
   * x ≥ 0 the result is x − x · Φ(−x).
   */
  @inline static gelu(x: v128): v128 {
    const z = f32x4.pmin(f32x4.abs(x), constant(18));
    let p = f32x4.add(f32x4.mul(constant(20), z), constant(21));
    p = f32x4.add(f32x4.mul(p, z), constant(22));
    p = f32x4.add(f32x4.mul(p, z), constant(23));
    p = f32x4.add(f32x4.mul(p, z), constant(24));
    let q = f32x4.add(f32x4.mul(constant(25), z), constant(26));
    q = f32x4.add(f32x4.mul(q, z), constant(27));
    q = f32x4.add(f32x4.mul(q, z), constant(28));
    q = f32x4.add(f32x4.mul(q, z), constant(29));
    q = f32x4.add(f32x4.mul(q, z), constant(10));
    const e = F32x4.exp(f32x4.mul(f32x4.mul(z, z), constant(19)));
    const tail = f32x4.mul(x, f32x4.mul(e, f32x4.div(p, q)));
    const rest = f32x4.sub(x, tail);
    return v128.bitselect(tail, rest, f32x4.lt(x, i32x4.splat(0)));
  }

  /**
   * x · (1 + tanh(√(2/π) · (x + 0.044715 · x³))) / 2, which is x · sigmoid of twice that argument.
   */
  @inline static geluTanh(x: v128): v128 {
    const inner = f32x4.add(constant(30), f32x4.mul(constant(31), f32x4.mul(x, x)));
    return f32x4.mul(x, F32x4.sigmoid(f32x4.mul(x, inner)));
  }

  /** min(max(alpha · x + beta, 0), 1). */
  @inline static hardSigmoid(x: v128, alpha: v128, beta: v128, zero: v128, one: v128): v128 {
    return f32x4.pmin(f32x4.pmax(f32x4.add(f32x4.mul(x, alpha), beta), zero), one);
  }

  /** x · hardSigmoid(x) + offset. */
  @inline static hardSwish(
    x: v128,
    alpha: v128,
    beta: v128,
    offset: v128,
    zero: v128,
    one: v128,
  ): v128 {
    return f32x4.add(f32x4.mul(x, F32x4.hardSigmoid(x, alpha, beta, zero, one)), offset);
  }
}

/** The first `n` < 4 floats at an address; the other lanes are `fill`. */
export function loadTail(src: usize, n: i32, fill: v128): v128 {
  let x = v128.load32_lane(src, fill, 0);
  if (n > 1) x = v128.load32_lane(src, x, 1, 4);
  if (n > 2) x = v128.load32_lane(src, x, 2, 8);
  return x;
}

/** Stores the first `n` < 4 lanes. */
export function storeTail(dst: usize, x: v128, n: i32): void {
  v128.store32_lane(dst, x, 0);
  if (n > 1) v128.store32_lane(dst, x, 1, 4);
  if (n > 2) v128.store32_lane(dst, x, 2, 8);
}

/** The largest lane; NaN only where lane 0 is NaN, which a caller sees elsewhere. */
export function largest(x: v128): f32 {
  const pair = f32x4.pmax(x, i32x4.shuffle(x, x, 2, 3, 0, 1));
  return f32x4.extract_lane(f32x4.pmax(pair, i32x4.shuffle(pair, pair, 1, 0, 3, 2)), 0);
}

/** Four lanes of f32 added to two sums in f64. */
export function addWide(sum_f64x2: v128, x: v128): v128 {
  const high = f64x2.promote_low_f32x4(i32x4.shuffle(x, x, 2, 3, 0, 1));
  return f64x2.add(sum_f64x2, f64x2.add(f64x2.promote_low_f32x4(x), high));
}

/** Both sums. */
export function total(sum_f64x2: v128): f64 {
  return f64x2.extract_lane(sum_f64x2, 0) + f64x2.extract_lane(sum_f64x2, 1);
}
