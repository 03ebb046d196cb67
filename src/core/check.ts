/**
 * Argument checks. One grammar: `"<argument>" expected <what>, got <what>`; a TypeError for the
 * kind of a value, a RangeError for its size. Every check runs before anything is written.
 */

import { lengthOf, tagOf } from "./dtype.ts";

const LONGEST = 60;
/** Most characters of a message before the hint at its cause. The whole message has at most 300. */
const MESSAGE = 230;

/** Shortens a text to at most `most` characters: its beginning and its end. */
function shorten(text: string, most: number): string {
  if (text.length <= most) return text;
  const end = most >> 2;
  return `${text.slice(0, most - end - 1)}…${text.slice(text.length - end)}`;
}

/** The sentence of every error. Names that a caller chose may be long or contain quotes. */
export function messageOf(argument: string, expected: string, got: string): string {
  const name = shorten(argument.replaceAll('"', "'"), LONGEST);
  const what = shorten(got, 80);
  const room = MESSAGE - name.length - what.length;
  return `"${name}" expected ${shorten(expected, room)}, got ${what}`;
}

/** How a value appears in an error: never long, whatever the value is, and with a likely cause. */
export function describe(value: unknown): string {
  if (typeof value === "string") {
    return JSON.stringify(value.length > LONGEST ? `${value.slice(0, LONGEST)}…` : value);
  }
  if (typeof value === "bigint") return `${String(value).slice(0, LONGEST)}n`;
  if (typeof value === "function") return "a function";
  if (typeof value !== "object" || !value) return String(value).slice(0, LONGEST);
  try {
    return describeObject(value);
  } catch {
    // a getter or a proxy of the caller threw
    return "an object";
  }
}

function describeObject(value: object): string {
  const { __describe } = value as { __describe?: unknown };
  if (typeof __describe === "function") return String(__describe.call(value));
  if (Array.isArray(value)) return describeArray(value);
  if (ArrayBuffer.isView(value)) {
    const length = tagOf(value) === undefined ? value.byteLength : lengthOf(value);
    return `${String(value.constructor.name).slice(0, LONGEST)}(${length})`;
  }
  if (typeof (value as { then?: unknown }).then === "function") return "a Promise: await it";
  return String(value.constructor?.name ?? "an object").slice(0, LONGEST);
}

function describeArray(value: readonly unknown[]): string {
  const isShort = value.length <= 8 && value.every((entry) => typeof entry !== "object");
  const text = isShort ? `[${value.map(describe).join(", ")}]` : "";
  return text && text.length <= LONGEST ? text : `an array of ${value.length}`;
}

export function typeFault(argument: string, expected: string, value: unknown): TypeError {
  return new TypeError(messageOf(argument, expected, describe(value)));
}

export function rangeFault(argument: string, expected: string, value: unknown): RangeError {
  return new RangeError(messageOf(argument, expected, describe(value)));
}

/** A number, which may be infinite or NaN. */
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

/** The kinds that a property of a caller's record can be required to have. */
type Kind = "number" | "string" | "object" | "array" | "function";

/** Checks that the properties of a record, such as a report to be printed, are of these kinds. */
export function checkRecord(
  argument: string,
  record: unknown,
  kinds: Readonly<Record<string, Kind>>,
): void {
  checkObject(argument, record);
  for (const [name, kind] of Object.entries(kinds)) {
    const value = (record as Readonly<Record<string, unknown>>)[name];
    const isKind = kind === "array" ? Array.isArray(value) : typeof value === kind;
    const article = kind === "object" || kind === "array" ? "an" : "a";
    if (!isKind || value === null)
      throw typeFault(`${argument}.${name}`, `${article} ${kind}`, value);
  }
}

/** `checkRecord` for each entry of an array. */
export function checkRecords(
  argument: string,
  records: unknown,
  kinds: Readonly<Record<string, Kind>>,
): void {
  if (!Array.isArray(records)) throw typeFault(argument, "an array", records);
  for (let i = 0; i < records.length; i++) checkRecord(`${argument}[${i}]`, records[i], kinds);
}

/** What other libraries call an option. */
const ALIASES: Readonly<Record<string, string>> = {
  min: "low",
  max: "high",
  input: "activations",
  inputs: "activations",
  data: "values",
};

/**
 * Whether an object is data, a handle, or a built-in object such as a Promise. Plain objects, those
 * of classes, and modules can be options.
 */
function isOtherThing(value: object): boolean {
  return "__describe" in value || !/ (Object|Module)]/.test(Object.prototype.toString.call(value));
}

/**
 * An object of options of which every name is known. An unknown name is an error that names the
 * nearest known one.
 */
export function checkOptions(argument: string, options: unknown, known: readonly string[]): void {
  checkObject(argument, options);
  // most are literals, which need no second look
  if (Object.getPrototypeOf(options) !== Object.prototype && isOtherThing(options as object)) {
    throw typeFault(argument, "an object of options", options);
  }
  for (const name in options as object) {
    if (known.includes(name)) continue;
    const nearest = nearestOf(name, known);
    const expected = nearest
      ? `another name, such as ${JSON.stringify(nearest)}`
      : `one of the names ${known.join(", ")}`;
    throw new TypeError(messageOf(argument, expected, `the unknown option ${describe(name)}`));
  }
}

const plain = (name: string): string => name.toLowerCase().replace(/[_-]/g, "");

/** The known name that a misspelt one most likely means, or undefined. */
function nearestOf(name: string, known: readonly string[]): string | undefined {
  const alias = ALIASES[plain(name)];
  if (alias !== undefined && known.includes(alias)) return alias;
  let nearest: string | undefined;
  let least = Math.max(2, name.length / 3) + 1;
  for (const each of known) {
    const [given, wanted] = [plain(name).slice(0, LONGEST), plain(each)];
    const isPart = given.startsWith(wanted) || (given !== "" && wanted.startsWith(given));
    const distance = isPart ? 1 : editDistance(given, wanted);
    if (distance < least) {
      nearest = each;
      least = distance;
    }
  }
  return nearest;
}

/**
 * Insertions, deletions and replacements that turn one text into another (Wagner and Fischer,
 * 1974).
 */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, j) => j);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = row[j - 1] + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[to.length];
}

/** Dimensions: integers of at least 0 whose product is a safe element count. */
export function checkShape(argument: string, value: unknown): readonly number[] {
  // a copy: each dimension is read once, and holes become undefined
  const shape: unknown[] | undefined = Array.isArray(value) ? [...value] : undefined;
  if (!shape || shape.some((size) => typeof size !== "number")) {
    throw typeFault(argument, "an array of dimensions", value);
  }
  if (shape.some((size) => !Number.isInteger(size) || (size as number) < 0)) {
    throw rangeFault(argument, "integers of at least 0", value);
  }
  return shape as readonly number[];
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
