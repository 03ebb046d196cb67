/** Results whose type the caller's options decide: each is checked at run time, not cast. */
import { Tensor } from "../../src/core/tensor.ts";
import type { Data, DType } from "../../src/entries/index.ts";
import type { LoadedLayers } from "../../src/formats/index.ts";

/** What is there, of a lookup that may find nothing. */
export function found<T>(value: T | undefined, what = "a value"): T {
  if (value === undefined) throw new Error(`expected ${what}, got undefined`);
  return value;
}

type Entry = LoadedLayers["layers"] extends ReadonlyMap<string, infer S> ? S : never;

/** An entry of a file of layers that is of this kind. */
export function entryOf<K extends Entry["kind"]>(
  { layers }: LoadedLayers,
  name: string,
  ...kinds: readonly K[]
): Extract<Entry, { readonly kind: K }> {
  const entry = layers.get(name);
  const isOf = (each: Entry): each is Extract<Entry, { readonly kind: K }> =>
    (kinds as readonly string[]).includes(each.kind);
  if (!entry || !isOf(entry)) throw new Error(`expected ${kinds.join(" or ")}, got ${entry?.kind}`);
  return entry;
}

/** The elements of a tensor or an array. */
export function elementsOf<T extends DType>(data: Data<T>) {
  return data instanceof Tensor ? data.data : data;
}

/** A result per channel. */
export function perChannel(value: number | Float32Array): Float32Array {
  if (typeof value === "number") throw new Error(`expected an array, got ${value}`);
  return value;
}

/** A result per tensor. */
export function perTensor(value: number | ArrayLike<number>): number {
  if (typeof value !== "number") throw new Error(`expected a number, got ${value.length}`);
  return value;
}

/** A tensor of this element type. */
export function ofType<T extends DType>(handle: Tensor, dtype: T): Tensor<T> {
  const isOf = (each: Tensor): each is Tensor<T> => each.dtype === dtype;
  if (!isOf(handle)) throw new Error(`expected ${dtype}, got ${handle}`);
  return handle;
}
