/**
 * Reads fields of JSON from a file. Each field is checked when it is read.
 *
 * @category Files
 */
import { rangeFault } from "../core/check.ts";

/** The error of a damaged file. */
export function damaged(expected: string, got: unknown): RangeError {
  return rangeFault("file", expected, got);
}

/** A JSON object. */
export class Fields {
  readonly #value: Record<string, unknown>;
  readonly #what: string;

  constructor(what: string, value: unknown) {
    if (typeof value !== "object" || value === null) {
      throw damaged(`an object as ${what}`, value);
    }
    this.#value = value as Record<string, unknown>;
    this.#what = what;
  }

  #get(name: string): unknown {
    return Object.hasOwn(this.#value, name) ? this.#value[name] : undefined;
  }

  has(name: string): boolean {
    return this.#get(name) !== undefined;
  }

  integer(name: string, low: number, high: number): number {
    const value = this.#get(name);
    if (!Number.isInteger(value) || (value as number) < low || (value as number) > high) {
      throw damaged(`${name} of ${this.#what} in [${low}, ${high}]`, value);
    }
    return value as number;
  }

  number(name: string, missing?: number): number {
    const value = this.#get(name) ?? missing;
    if (typeof value !== "number") throw damaged(`a number as ${name} of ${this.#what}`, value);
    return value;
  }

  oneOf<T extends string>(name: string, words: readonly T[]): T {
    const value = this.#get(name);
    if (!words.includes(value as T)) {
      throw damaged(`one of ${words.join(", ")} as ${name} of ${this.#what}`, value);
    }
    return value as T;
  }

  object(name: string): Fields {
    return new Fields(`${name} of ${this.#what}`, this.#get(name));
  }

  list(name: string): readonly number[] {
    const value = this.#get(name);
    if (!Array.isArray(value)) throw damaged(`a list as ${name} of ${this.#what}`, value);
    return value;
  }

  entries(): [string, unknown][] {
    return Object.entries(this.#value);
  }
}
