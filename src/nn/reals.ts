/** Factors and constants of operations on reals. */
import { checkNumber, rangeFault } from "../core/check.ts";

/** @internal A number that is finite as a 32-bit float. */
export function checkReal(argument: string, value: unknown): number {
  const number = checkNumber(argument, value);
  if (Number.isFinite(Math.fround(number))) return number;
  throw rangeFault(argument, "a number that a 32-bit float holds", number);
}
