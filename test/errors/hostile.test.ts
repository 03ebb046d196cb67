/**
 * Every public function against what nobody should give it. The functions are those that the
 * entries of package.json export, so a new one is among them without a word here. Each argument and
 * each option of a right call in calls.ts is spoiled. The answer is a result or an error of the
 * library's grammar, and an error has kept no memory.
 */
import { describe, expect, it } from "vitest";
import {
  type Bytelane,
  createBytelaneSync,
  createLinear,
  tensor,
} from "../../src/entries/index.ts";
import { functionsOf } from "../support/exports.ts";
import { CALLS, reals } from "./calls.ts";

// the build writes the golden files in
Object.assign(globalThis, { GOLDEN: [] });

const FUNCTIONS = await functionsOf();
const other = createBytelaneSync();
const foreign = tensor(other, "f32", [2, 3]);

const detached = (): Float32Array => {
  const x = new Float32Array(4);
  structuredClone(x, { transfer: [x.buffer] });
  return x;
};

/** What is given, by name; some of it belongs to the instance of the call. */
const HOSTILE: Readonly<Record<string, (b: Bytelane) => unknown>> = {
  undefined: () => undefined,
  null: () => null,
  "a tensor": (b) => tensor(b, "f32", [2, 3]),
  "a tensor of bytes": (b) => tensor(b, "u8", [7]),
  "a disposed tensor": (b) => {
    const x = tensor(b, "f32", [2, 3]);
    x.dispose();
    return x;
  },
  "a tensor of another instance": () => foreign,
  "a layer": (b) => createLinear(b, { weights: reals(4), shape: [2, 2] }),
  "the instance": (b) => b,
  "a disposed instance": () => {
    const b = createBytelaneSync();
    b.dispose();
    return b;
  },
  "a Proxy of a tensor": (b) => new Proxy(tensor(b, "f32", [2, 3]), {}),
  "a Proxy of an array": () => new Proxy([1, 2], {}),
  "a Proxy of a typed array": () => new Proxy(new Float32Array(4), {}),
  "a Proxy that throws": () =>
    new Proxy(
      {},
      {
        get() {
          throw new TypeError('"mine" expected none, got one');
        },
      },
    ),
  "a Promise": () => Promise.resolve(1),
  "a bigint": () => 12n,
  "a long bigint": () => 10n ** 5000n,
  "a text": () => "text",
  "a long text": () => "x".repeat(70_000),
  "a symbol": () => Symbol("s"),
  "an array of arrays": () => [[1, 2], [3]],
  "a deep array": () => {
    let deep: unknown = [];
    for (let i = 0; i < 20_000; i++) deep = [deep];
    return deep;
  },
  "an array of holes": () => new Array(3),
  "a long array of text": () => new Array(5000).fill("long text"),
  "an object with a length": () => ({ length: 5 }),
  "an object with a great length": () => ({ length: 2 ** 40 }),
  "an object without a prototype": () => Object.create(null),
  "an object with long names": () => ({ ["y".repeat(5000)]: 1 }),
  NaN: () => NaN,
  Infinity: () => Infinity,
  "-1": () => -1,
  "1.5": () => 1.5,
  "2 ** 53": () => 2 ** 53,
  true: () => true,
  "a function": () => () => 1,
  "a class": () => class Thing {},
  "a Date": () => new Date(0),
  "a Map": () => new Map([[1, 2]]),
  "no bytes": () => new Uint8Array(0),
  "no reals": () => new Float32Array(0),
  "a detached array": detached,
  "wide integers": () => new BigInt64Array(4),
  "a DataView": () => new DataView(new ArrayBuffer(8)),
  "an ArrayBuffer": () => new ArrayBuffer(8),
  "shared bytes": () => new Uint8Array(new SharedArrayBuffer(8)),
  "reals of NaN": () => new Float32Array(24).fill(NaN),
};

/** An argument, or an option of an argument. */
interface Spot {
  readonly at: number;
  readonly option?: string;
}

function spotsOf(args: readonly unknown[]): Spot[] {
  return args.flatMap((value, at) => {
    const isPlain =
      typeof value === "object" &&
      value !== null &&
      Object.getPrototypeOf(value) === Object.prototype;
    const options = isPlain ? Object.keys(value) : [];
    return [{ at }, ...options.map((option) => ({ at, option }))];
  });
}

function spoiled(args: readonly unknown[], { at, option }: Spot, value: unknown): unknown[] {
  const changed = [...args];
  changed[at] = option === undefined ? value : { ...(args[at] as object), [option]: value };
  return changed;
}

/** A class is a function: what the engine says where a callback is one comes from the caller. */
const CALLED_CLASS = /^Class constructor Thing cannot be invoked without 'new'$/;

const GRAMMAR = /^"[^"]+" expected [\s\S]+, got [\s\S]+$/;

/** What is wrong with the answer, or undefined. */
async function faultOf(call: unknown, args: unknown[], b: Bytelane): Promise<string | undefined> {
  const used = b.bytesUsed;
  let timer: NodeJS.Timeout | undefined;
  try {
    const result = (call as (...given: unknown[]) => unknown)(...args);
    const late = new Promise((_, fail) => {
      timer = setTimeout(() => fail(new Error("no answer")), 30_000);
    });
    await Promise.race([result, late]);
    return undefined;
  } catch (fault) {
    const { name, message } = fault as Error;
    if (CALLED_CLASS.test(message)) return undefined;
    if (!GRAMMAR.test(message)) return `${name}: ${message.slice(0, 160)}`;
    if (message.length > 300) return `${message.length} characters: ${message.slice(0, 200)}`;
    // a disposed instance has no memory
    if (!b.disposed && b.bytesUsed !== used) return `${b.bytesUsed - used} bytes kept: ${message}`;
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

/** Arguments for a function that has no right call: the instance, or nothing, at every place. */
const UNKNOWN = (b: Bytelane) => [b, {}, {}, {}, {}];

describe("hostile values", () => {
  it.each(FUNCTIONS.map(([entry, name, call]) => [`${entry}:${name}`, name, call] as const))(
    "%s gives a result or an error of the grammar",
    async (label, name, call) => {
      const make = CALLS[label] ?? CALLS[name] ?? UNKNOWN;
      const faults: string[] = [];
      let b = createBytelaneSync();
      const spots = spotsOf(await make(b));
      for (const spot of spots) {
        for (const [what, value] of Object.entries(HOSTILE)) {
          if (b.disposed || b.bytesUsed > 2 ** 24) b = createBytelaneSync();
          const args = spoiled(await make(b), spot, value(b));
          const fault = await faultOf(call, args, b);
          const place = spot.option === undefined ? `${spot.at}` : `${spot.at}.${spot.option}`;
          if (fault) faults.push(`argument ${place}, ${what}: ${fault}`);
        }
      }
      b.dispose();
      expect(faults).toEqual([]);
    },
  );

  it("drive every export, each with a right call of its own", async () => {
    const names = FUNCTIONS.map(([entry, name]) =>
      CALLS[`${entry}:${name}`] ? `${entry}:${name}` : name,
    );
    expect(names.filter((name) => !(name in CALLS))).toEqual([]);
    expect(FUNCTIONS.length).toBeGreaterThan(80);
    // what is spoiled was right before
    const wrong: string[] = [];
    for (const [entry, name, call] of FUNCTIONS) {
      const b = createBytelaneSync();
      const args = await (CALLS[`${entry}:${name}`] ?? CALLS[name] ?? UNKNOWN)(b);
      try {
        await (call as (...given: unknown[]) => unknown)(...args);
      } catch (fault) {
        wrong.push(`${entry}:${name} ${(fault as Error).message}`);
      }
      b.dispose();
    }
    expect(wrong).toEqual([]);
  });
});
