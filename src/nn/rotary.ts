/**
 * Rotary position embedding: rotates pairs of elements by angles that depend on the position.
 *
 * @category Networks
 */
import { type Data, elementsOf, type InKind, operand } from "../core/call.ts";
import { checkInteger, checkOneOf, checkOptions, rangeFault } from "../core/check.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { isTensor, tensor } from "../core/tensor.ts";
import { checkHeadRows } from "./rows.ts";

/** Angles of each row, and which elements are pairs. */
export interface RotaryOptions {
  readonly heads: number;
  /** Elements of a head, an even number. */
  readonly size: number;
  /** [rows, size / 2]: cosines of the angles, which the caller computes. */
  readonly cos: Data<"f32">;
  /** [rows, size / 2] */
  readonly sin: Data<"f32">;
  /**
   * "half": element i with i + size / 2, as GPT-NeoX and Llama in PyTorch. "interleaved": 2 · i
   * with 2 · i + 1, as the paper and GPT-J. Default "half".
   */
  readonly pairs?: "half" | "interleaved";
}

/**
 * Rotates each pair (a, b) of each head of x [rows, heads · size] to (a · cos − b · sin, b · cos +
 * a · sin), in steps of f32 (Su et al., 2021). The tables are the caller's, since sines differ from
 * engine to engine: angle i of position p is p · base^(−2i / size).
 *
 * Errors: rows that do not fit, an odd size of heads, tables of another length.
 *
 * @example
 * ```ts
 * const q = rotaryEmbedding(instance, x, { heads: 8, size: 64, cos, sin });
 * ```
 */
export function rotaryEmbedding<X extends Data<"f32">>(
  instance: Bytelane,
  x: X,
  options: RotaryOptions,
): InKind<X, "f32"> {
  checkInstance(instance);
  checkOptions("options", options, ["heads", "size", "cos", "sin", "pairs"]);
  const heads = checkInteger("options.heads", options.heads, 1, 65535);
  const pairs = checkOneOf("options.pairs", options.pairs ?? "half", [
    "half",
    "interleaved",
  ] as const);
  const source = operand(instance, "x", x, ["f32"]);
  const cos = operand(instance, "options.cos", options.cos, ["f32"]);
  const sin = operand(instance, "options.sin", options.sin, ["f32"], cos.length);
  if (source.length !== 2 * heads * cos.length) {
    const expected = `${source.length / heads / 2} elements, half of a head's per row`;
    throw rangeFault("options.cos", expected, cos.length);
  }
  const count = checkInteger("options.size", options.size, 2, 65536) / 2;
  if (!Number.isInteger(count)) throw rangeFault("options.size", "an even number", options.size);
  const rows = cos.length / count;
  if (!Number.isInteger(rows)) {
    throw rangeFault("options.cos", `rows of ${count} elements`, cos.length);
  }
  checkHeadRows("x", source, heads, options.size);
  for (const [name, table] of Object.entries({ cos, sin })) {
    checkHeadRows(`options.${name}`, table, 1, count);
  }
  const values = elementsOf(instance, source);
  const cosines = elementsOf(instance, cos);
  const sines = elementsOf(instance, sin);
  const turned = new Float32Array(source.length);
  const f = Math.fround;
  const apart = pairs === "half" ? count : 1;
  const step = pairs === "half" ? 1 : 2;
  for (let row = 0; row < rows; row++) {
    for (let head = 0; head < heads; head++) {
      let at = (row * heads + head) * 2 * count;
      for (let i = row * count; i < (row + 1) * count; i++, at += step) {
        const [a, b] = [values[at], values[at + apart]];
        turned[at] = f(a * cosines[i]) - f(b * sines[i]);
        turned[at + apart] = f(b * cosines[i]) + f(a * sines[i]);
      }
    }
  }
  if (!isTensor(x)) return turned as InKind<X, "f32">;
  return tensor(instance, "f32", x.shape, turned) as InKind<X, "f32">;
}
