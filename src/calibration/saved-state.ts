/** Checks on saved state: damaged state must not be restored. */
import { checkNumber, rangeFault, typeFault } from "../core/check.ts";

export type Fields = Readonly<Record<string, unknown>>;

/** Checks a finite number that f32 holds exactly. */
export function checkReal(argument: string, value: unknown): number {
  const number = checkNumber(argument, value);
  if (!Number.isFinite(number) || Math.fround(number) !== number) {
    throw rangeFault(argument, "a finite 32-bit float", number);
  }
  return number;
}

/** min ≤ max, both finite 32-bit floats. */
export function checkExtremes(argument: string, state: Fields): { min: number; max: number } {
  const min = checkReal(`${argument}.min`, state.min);
  const max = checkReal(`${argument}.max`, state.max);
  if (min > max) throw rangeFault(`${argument}.max`, `at least ${min}`, max);
  return { min, max };
}

/** An array of numbers that each pass a check. */
export function checkList(
  argument: string,
  value: unknown,
  check: (argument: string, value: unknown) => number,
): number[] {
  if (!Array.isArray(value)) throw typeFault(argument, "an array of numbers", value);
  for (let i = 0; i < value.length; i++) check(`${argument}[${i}]`, value[i]);
  return value as number[];
}
