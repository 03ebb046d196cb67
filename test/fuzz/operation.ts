/** What a fuzzed operation is. */
import type fc from "fast-check";
import type { World } from "./world.ts";

export interface Operation<C> {
  readonly name: string;
  /** What a call is drawn from: small plain data, which fast-check can shrink and print. */
  readonly cases: fc.Arbitrary<C>;
  /** Makes the call and compares: throws a Mismatch where the answer is wrong. */
  run(world: World, given: C): void | Promise<void>;
  readonly isAsync: boolean;
}

/** Keeps the type of the cases of one operation between its parts. */
export function operation<C>(
  name: string,
  cases: fc.Arbitrary<C>,
  run: (world: World, given: C) => void,
): Operation<unknown> {
  return { name, cases, run, isAsync: false } as Operation<unknown>;
}

/** The same for a call that is waited for. */
export function asyncOperation<C>(
  name: string,
  cases: fc.Arbitrary<C>,
  run: (world: World, given: C) => Promise<void>,
): Operation<unknown> {
  return { name, cases, run, isAsync: true } as Operation<unknown>;
}

/** What is drawn at run time: a tensor or an array of any type, options of any kind. */
// biome-ignore lint/suspicious/noExplicitAny: no overload fits what is drawn
export type Loose = any;

/** The functions of an entry as a JavaScript program sees them. */
export type Untyped<M> = {
  readonly [K in keyof M]: M[K] extends (...args: never) => unknown
    ? (...args: Loose[]) => Loose
    : M[K];
};
