/**
 * Random lives of handles on two instances: made, used, disposed in any order, while the memory
 * grows. Every live handle answers as when it was made; in the end all memory has come back.
 */
import fc from "fast-check";
import {
  type Bytelane,
  createBytelaneSync,
  createLinear,
  createTable,
  gather,
  linear,
  part,
  quantizeInt4,
  scope,
  tensor,
} from "../../src/entries/index.ts";
import { createIndex, topK } from "../../src/entries/search.ts";
import { reals, seeds } from "./data.ts";
import { type Operation, operation } from "./operation.ts";
import { expectSame, Mismatch } from "./world.ts";

/** A live handle, and whether it is what it was. */
interface Life {
  readonly handle: { dispose(): void; readonly disposed: boolean };
  check(): void;
}

type Maker = (instance: Bytelane, seed: number, size: number) => Life;

/** A handle whose answer must stay what it was at first. */
function life(handle: Life["handle"], answer: () => ArrayLike<number>, what: string): Life {
  const first = Array.from(answer());
  return { handle, check: () => expectSame(answer(), first, what) };
}

const MAKERS: Record<string, Maker> = {
  tensor(instance, seed, size) {
    const values = reals(size, seed, "small");
    const handle = tensor(instance, "f32", [size], values);
    expectSame(handle.data, values, "a new tensor");
    return life(handle, () => handle.data, "a tensor");
  },
  layer(instance, seed, size) {
    const weights = reals(size * 3, seed, "small");
    const layer = createLinear(instance, { weights, shape: [size, 3] });
    return life(layer, () => linear(layer, reals(size, seed + 1, "small")), "a layer");
  },
  int4(instance, seed, size) {
    const weights = reals(size * 3, seed, "small");
    const layer = createLinear(instance, { weights, shape: [size, 3], format: "int4" });
    return life(layer, () => linear(layer, reals(size, seed + 1, "small")), "a layer of 4 bits");
  },
  table(instance, seed, size) {
    const options = { shape: [size, 5], orientation: "out-in" } as const;
    const matrix = quantizeInt4(instance, reals(size * 5, seed, "small"), options);
    const table = createTable(instance, matrix);
    return life(table, () => gather(table, Int32Array.of(0, size - 1)), "a table");
  },
  index(instance, seed, size) {
    const vectors = reals(size * 4, seed, "small");
    const index = createIndex(instance, { vectors, dimensions: 4 });
    const query = reals(4, seed + 1, "small");
    return life(index, () => topK(index, query, Math.min(size, 3)).ids, "an index");
  },
};

const KINDS = [...Object.keys(MAKERS), "use", "dispose", "grow", "scope", "part", "again"] as const;
const steps = fc.array(
  fc.record({
    kind: fc.constantFrom(...KINDS),
    seed: seeds,
    size: fc.integer({ min: 1, max: 90 }),
    which: fc.nat({ max: 30 }),
  }),
  { minLength: 1, maxLength: 24 },
);

type Step = {
  readonly kind: string;
  readonly seed: number;
  readonly size: number;
  readonly which: number;
};

function take(instance: Bytelane, lives: Life[], { kind, seed, size, which }: Step): void {
  const chosen = lives.length > 0 ? lives[which % lives.length] : undefined;
  if (kind in MAKERS) lives.push(MAKERS[kind](instance, seed, size));
  else if (kind === "use") chosen?.check();
  else if (kind === "dispose" || kind === "again") {
    if (!chosen) return;
    chosen.handle.dispose();
    // a second call does nothing
    if (kind === "again") chosen.handle.dispose();
    if (!chosen.handle.disposed) throw new Mismatch("a disposed handle says that it is not");
    lives.splice(lives.indexOf(chosen), 1);
  } else if (kind === "grow") {
    const before = instance.bytesReserved;
    tensor(instance, "u8", [before - instance.bytesUsed]).dispose();
    if (instance.bytesReserved <= before) throw new Mismatch("the memory has not grown");
    for (const each of lives) each.check();
  } else if (kind === "scope") {
    const kept = scope(instance, () => {
      MAKERS.layer(instance, seed, size);
      return tensor(instance, "i8", [size]);
    });
    lives.push(life(kept, () => kept.data, "what a scope returned"));
  } else {
    const whole = tensor(instance, "f32", [size], reals(size, seed, "small"));
    const piece = part(whole, size - 1, [1]);
    const wanted = whole.data[size - 1];
    lives.push(life(whole, () => [...whole.data, ...piece.data], "a tensor and its part"));
    expectSame(piece.data, [wanted], "a part");
  }
}

export const sequences: readonly Operation<unknown>[] = [
  operation("sequences", fc.tuple(steps, steps), (world, given) => {
    const { tier } = world.instance;
    const instances = given.map(() => createBytelaneSync({ tier, initialMemory: 0 }));
    const lives: Life[][] = [[], []];
    try {
      const most = Math.max(...given.map(({ length }) => length));
      for (let at = 0; at < most; at++) {
        for (const [i, list] of given.entries()) {
          if (at < list.length) take(instances[i], lives[i], list[at]);
        }
      }
      for (const each of lives.flat()) each.check();
      for (const each of lives.flat()) each.handle.dispose();
      for (const { bytesUsed } of instances) {
        if (bytesUsed !== 0) throw new Mismatch(`${bytesUsed} bytes are still in use`);
      }
    } finally {
      for (const instance of instances) instance.dispose();
    }
  }),
];
