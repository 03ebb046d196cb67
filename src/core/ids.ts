/**
 * Indices of a call.
 *
 * @category Data
 */
import { type AnyArray, checkLength } from "./array.ts";
import { type Data, type Operand, operand } from "./call.ts";
import { checkInteger } from "./check.ts";
import { tagOf } from "./dtype.ts";
import type { Bytelane } from "./instance.ts";

/** Indices: whole numbers, of 64 bits too, as tokenizers give them. */
export type Ids = Data<"i32"> | BigInt64Array | readonly number[];

/**
 * Checks indices. Those in other types than i32 are copied and checked here, i32 by `Call.indices`.
 */
export function checkIndices(
  instance: Bytelane,
  argument: string,
  ids: unknown,
  count: number,
): Operand<"i32"> | Int32Array {
  const isLong = tagOf(ids) === "BigInt64Array";
  if (!Array.isArray(ids) && !isLong) return operand(instance, argument, ids, ["i32"]);
  const list = ids as ArrayLike<unknown>;
  const length = isLong ? checkLength(argument, ids as AnyArray) : list.length;
  const copy = new Int32Array(length);
  for (let i = 0; i < length; i++) {
    const id = isLong ? Number(list[i]) : list[i];
    copy[i] = checkInteger(`${argument}[${i}]`, id, 0, count - 1);
  }
  return copy;
}
