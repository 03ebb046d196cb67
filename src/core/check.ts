/**
 * Argument checks. One grammar: `"<argument>" expected <what>, got <what>`; a TypeError for the kind of a
 * value, a RangeError for its size. Every check runs before anything is written.
 */

/** How a value appears in an error. */
export function describe(value: unknown): string {
  if (Array.isArray(value)) return value.length <= 8 ? `[${value.join(", ")}]` : "a long array";
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return "a function";
  if (typeof value !== "object" || !value) return String(value);
  const label = (value as { describe?: () => string }).describe?.();
  if (label) return label;
  if (ArrayBuffer.isView(value)) {
    const { length = value.byteLength } = value as unknown as { length?: number };
    return `${value.constructor.name}(${length})`;
  }
  return value.constructor?.name ?? "an object";
}

export function typeFault(argument: string, expected: string, value: unknown): TypeError {
  return new TypeError(`"${argument}" expected ${expected}, got ${describe(value)}`);
}

export function rangeFault(argument: string, expected: string, value: unknown): RangeError {
  return new RangeError(`"${argument}" expected ${expected}, got ${describe(value)}`);
}

/** A finite number. */
export function checkNumber(argument: string, value: unknown): number {
  if (typeof value !== "number") throw typeFault(argument, "a number", value);
  return value;
}

/** An integer in [low, high]. */
export function checkInteger(argument: string, value: unknown, low: number, high: number): number {
  const number = checkNumber(argument, value);
  if (!Number.isInteger(number) || number < low || number > high) {
    throw rangeFault(argument, `an integer in [${low}, ${high}]`, number);
  }
  return number;
}

/** One of a few words. */
export function checkOneOf<T extends string | number>(
  argument: string,
  value: unknown,
  allowed: readonly T[],
): T {
  if (allowed.includes(value as T)) return value as T;
  const list = allowed.map(describe).join(", ");
  const fault = typeof value === typeof allowed[0] ? rangeFault : typeFault;
  throw fault(argument, `one of ${list}`, value);
}

export function checkObject(argument: string, value: unknown): void {
  if (typeof value !== "object" || value === null) throw typeFault(argument, "an object", value);
}

/** Dimensions: integers of at least 0 whose product is a safe element count. */
export function checkShape(argument: string, value: unknown): readonly number[] {
  // spread, since `some` passes holes over
  if (!Array.isArray(value) || [...value].some((size) => typeof size !== "number")) {
    throw typeFault(argument, "an array of dimensions", value);
  }
  if (value.some((size) => !Number.isInteger(size) || size < 0)) {
    throw rangeFault(argument, "integers of at least 0", value);
  }
  return value as readonly number[];
}

export function countOf(shape: readonly number[]): number {
  let count = 1;
  for (const size of shape) count *= size;
  return count;
}

/** A quantization step: positive and finite as a 32-bit float. */
export function checkScale(argument: string, value: unknown): number {
  const scale = Math.fround(checkNumber(argument, value));
  if (!(scale > 0 && Number.isFinite(scale))) {
    throw rangeFault(argument, "a positive, finite 32-bit float", value);
  }
  return scale;
}
