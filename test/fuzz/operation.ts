/** What a fuzzed operation is. */
import type fc from "fast-check";
import type { Bytelane } from "../../src/entries/index.ts";
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

/** Operations are generic in what they take: here every kind of operand is one type. */
// biome-ignore lint/suspicious/noExplicitAny: see above
export type Loose = any;
export const loosely = (instance: Bytelane) => instance as Loose;
