/**
 * The gates of recurrent cells, fused: `a` has the products of the input's weights, `b` those of
 * the state's weights: n values for each gate, one gate after another.
 *
 *   LSTM  i, f, o = σ(a + b), g = tanh(a + b);   c' = f · c + i · g;   h' = o · tanh(c')
 *   GRU   r, z = σ(a + b), n = tanh(a + r · b);  h' = n + z · (h − n)
 *
 * Arrays of n floats have room for whole vectors, and are read and written so. `dst`, a row of the
 * result, is the exception.
 */
import { F32x4, storeTail } from "./functions";

/** Writes four values of h' to the state and to a row of which `left` values remain. */
function put(value: v128, h: usize, dst: usize, left: i32): void {
  v128.store(h, value);
  if (left >= 4) v128.store(dst, value);
  else storeTail(dst, value, left);
}

/** Gates in the order i, f, g, o. `cell` is replaced; `h` and `dst` receive h'. */
export function lstm_gates(a: usize, b: usize, n: i32, cell: usize, h: usize, dst: usize): void {
  const gate = (<usize>n) << 2;
  for (; n > 0; n -= 4, a += 16, b += 16, cell += 16, h += 16, dst += 16) {
    const i = F32x4.sigmoid(f32x4.add(v128.load(a), v128.load(b)));
    const f = F32x4.sigmoid(f32x4.add(v128.load(a + gate), v128.load(b + gate)));
    const g = F32x4.tanh(f32x4.add(v128.load(a + 2 * gate), v128.load(b + 2 * gate)));
    const o = F32x4.sigmoid(f32x4.add(v128.load(a + 3 * gate), v128.load(b + 3 * gate)));
    const c = f32x4.add(f32x4.mul(f, v128.load(cell)), f32x4.mul(i, g));
    v128.store(cell, c);
    put(f32x4.mul(o, F32x4.tanh(c)), h, dst, n);
  }
}

/** Gates in the order r, z, n. `h` is replaced, and `dst` receives h' too. */
export function gru_gates(a: usize, b: usize, n: i32, h: usize, dst: usize): void {
  const gate = (<usize>n) << 2;
  for (; n > 0; n -= 4, a += 16, b += 16, h += 16, dst += 16) {
    const r = F32x4.sigmoid(f32x4.add(v128.load(a), v128.load(b)));
    const z = F32x4.sigmoid(f32x4.add(v128.load(a + gate), v128.load(b + gate)));
    const inner = f32x4.mul(r, v128.load(b + 2 * gate));
    const state = F32x4.tanh(f32x4.add(v128.load(a + 2 * gate), inner));
    const change = f32x4.mul(z, f32x4.sub(v128.load(h), state));
    put(f32x4.add(state, change), h, dst, n);
  }
}
