/** Saved observers: what comes back is what was saved, and what is damaged is refused. */
import { describe, expect, it } from "vitest";
import { HistogramObserver } from "../../src/calibration/histogram.ts";
import {
  createObserver,
  loadObserver,
  type ObserverOptions,
  type ObserverState,
} from "../../src/calibration/index.ts";
import { createBytelaneSync } from "../../src/entries/index.ts";
import { sample } from "../support/distributions.ts";

const instance = createBytelaneSync();

const OPTIONS: readonly ObserverOptions[] = [
  { method: "minmax" },
  { method: "average", weight: 0.1 },
  { method: "order", rank: 3 },
  { method: "percentile", percent: 99 },
  { method: "entropy", sides: "two", zeros: true, bins: 512 },
  { method: "mse", bins: 256 },
  { method: "fixed", min: -1, max: 2 },
];
const CHANNELS: readonly ObserverOptions[] = [
  ...OPTIONS.slice(0, -1).map((options) => ({ ...options, axis: -1 })),
  { method: "fixed", axis: -1, min: [-1, -2], max: [3, 4] },
];

const shape = [60, 2];

/** Through JSON, as a file would have it. */
/** How many numbers a channel of a loaded observer has counted. */
function countsOf(loaded: ReturnType<typeof loadObserver>, channel: number): number {
  if (!(loaded instanceof HistogramObserver)) throw new Error(`got ${loaded.method}`);
  return loaded.histogram(channel).total;
}

function copyOf(state: ObserverState): ObserverState {
  return JSON.parse(JSON.stringify(state));
}

describe.each([...OPTIONS, ...CHANNELS])("a saved observer, %o", (options) => {
  const first = sample("normal", 120, 1);
  const second = sample("laplace", 120, 2);
  first[5] = NaN;
  const seen = () => createObserver(instance, options).observe(first, { shape });

  it("comes back as it was, goes on and merges", () => {
    const observer = seen();
    const loaded = loadObserver(instance, copyOf(observer.save()));
    expect(loaded.save()).toEqual(observer.save());
    expect(loaded.range()).toEqual(observer.range());
    expect([loaded.method, loaded.observed, loaded.skipped, loaded.channels]).toEqual([
      options.method,
      119,
      1,
      options.axis === undefined ? 1 : 2,
    ]);
    observer.observe(second, { shape });
    loaded.observe(second, { shape });
    expect(loaded.save()).toEqual(observer.save());
    const merged = loadObserver(instance, copyOf(seen().save()));
    merged.merge(createObserver(instance, options).observe(second, { shape }));
    expect(merged.range()).toEqual(observer.range());
  });

  it("comes back when it has seen nothing, or no number in a channel", () => {
    const observer = createObserver(instance, options);
    const loaded = loadObserver(instance, copyOf(observer.save()));
    expect(loaded.save()).toEqual(observer.save());
    const half = Float32Array.from({ length: 120 }, (_, i) => (i % 2 ? NaN : i / 7));
    observer.observe(half, { shape });
    const again = loadObserver(instance, copyOf(observer.save()));
    expect(again.save()).toEqual(observer.save());
    again.observe(first, { shape });
    observer.observe(first, { shape });
    expect(again.range()).toEqual(observer.range());
  });

  it("is refused where a field is missing, of another kind or out of range", () => {
    const state = seen().save();
    // every leaf and every branch of the state, replaced by what it cannot be
    const paths: string[][] = [];
    const walk = (value: unknown, path: string[]) => {
      if (path.length > 0) paths.push(path);
      if (typeof value !== "object" || value === null) return;
      const keys = Object.keys(value);
      // of long lists the ends
      const few = keys.length > 20 ? [keys[0], keys[keys.length - 1]] : keys;
      for (const key of few) walk((value as Record<string, unknown>)[key], [...path, key]);
    };
    walk(state, []);
    const refused = [undefined, "1", NaN, -1e300, Symbol("damage"), [[]]];
    for (const path of paths) {
      for (const value of refused) {
        const damaged = copyOf(state);
        let at = damaged as unknown as Record<string, unknown>;
        for (const key of path.slice(0, -1)) at = at[key] as Record<string, unknown>;
        const key = path.at(-1) as string;
        // options that have a default may be missing, and a list of channels that is shorter is
        // another state
        const isOption = path[0] === "settings";
        if (isOption && value === undefined) continue;
        at[key] = value;
        expect(
          () => loadObserver(instance, damaged),
          `${path.join(".")} = ${String(value)}`,
        ).toThrow(/^"(state|observer|data)[^"]*" expected .*, got /);
      }
    }
  });
});

describe("a state of many channels", () => {
  const options = { method: "mse", axis: 0, bins: 65536 } as const;
  const empty = createObserver(instance, options).save();
  /** Bytes of arrays that loading takes and keeps. */
  const taken = (state: ObserverState) => {
    const text = JSON.stringify(state);
    const before = process.memoryUsage().arrayBuffers;
    const loaded = loadObserver(instance, JSON.parse(text));
    return { loaded, bytes: process.memoryUsage().arrayBuffers - before };
  };

  it("takes no tables for channels that have seen nothing", () => {
    const { loaded, bytes } = taken({ ...empty, channels: new Array(1000).fill(null) });
    expect(bytes).toBeLessThan(2 ** 20);
    expect(loaded.channels).toBe(1000);
  });

  it("takes no tables for channels of one number", () => {
    const { exponent } = createObserver(instance, { method: "mse", bins: 65536 })
      .observe(new Float32Array(1))
      .save().channels[0] as { exponent: number };
    const zero = { min: 0, max: 0, exponent, first: 0, counts: [2] };
    const channels = Array.from({ length: 1000 }, () => zero);
    const { loaded, bytes } = taken({ ...empty, observed: 2000, channels });
    expect(bytes).toBeLessThan(2 ** 20);
    expect(countsOf(loaded, 999)).toBe(2);
  });
});

describe("saved state", () => {
  const histogram = () =>
    createObserver(instance, { method: "mse", bins: 256 })
      .observe(sample("normal", 500, 1))
      .save();
  type Channel = { min: number; max: number; exponent: number; first: number; counts: number[] };

  const DAMAGE: [string, (channel: Channel) => void, string][] = [
    [
      "another exponent",
      (c) => {
        c.exponent++;
      },
      '"state.channels[0].exponent" expected',
    ],
    [
      "another first bin",
      (c) => {
        c.first--;
      },
      '"state.channels[0].first" expected',
    ],
    [
      "a count less",
      (c) => {
        c.counts.pop();
      },
      '"state.channels[0].counts" expected',
    ],
    [
      "a count too many",
      (c) => {
        c.counts.push(1);
      },
      '"state.channels[0].counts" expected',
    ],
    [
      "a negative count",
      (c) => {
        c.counts[3] = -1;
      },
      '"state.channels[0].counts[3]" expected',
    ],
    [
      "half a count",
      (c) => {
        c.counts[3] = 0.5;
      },
      '"state.channels[0].counts[3]" expected',
    ],
    [
      "no count where min is",
      (c) => {
        c.counts[0] = 0;
      },
      '"state.channels[0].counts" expected counts of min and of max above 0, got 0',
    ],
    [
      "no count where max is",
      (c) => {
        c.counts[c.counts.length - 1] = 0;
      },
      '"state.channels[0].counts" expected counts of min and of max above 0, got 0',
    ],
    [
      "min above max",
      (c) => {
        c.min = c.max + 1;
      },
      '"state.channels[0].',
    ],
    [
      "more counts than numbers",
      (c) => {
        c.counts[50] = 1e6;
      },
      '"state.observed" expected at least',
    ],
    [
      "an infinite end",
      (c) => {
        c.max = 1e300;
      },
      '"state.channels[0].max" expected a finite 32-bit float',
    ],
  ];
  it.each(DAMAGE)("with %s is refused", (_, damage, message) => {
    const state = copyOf(histogram());
    damage(state.channels[0] as unknown as Channel);
    expect(() => loadObserver(instance, state)).toThrow(message);
  });

  it("of order statistics must be in order", () => {
    const observer = createObserver(instance, { method: "order", rank: 3 });
    const state = copyOf(observer.observe(sample("normal", 50, 1)).save());
    const { least } = state.channels[0] as unknown as { least: number[] };
    least.reverse();
    expect(() => loadObserver(instance, state)).toThrow("least rising and greatest falling");
  });

  it("of a newer version, and what is no state, says so", () => {
    const state = histogram();
    expect(() => loadObserver(instance, { ...state, version: 2 } as never)).toThrow(
      '"state.version" expected 1, the one that is known here, got 2',
    );
    expect(() => loadObserver(instance, { ...state, format: "other" } as never)).toThrow(
      '"state.format" expected "bytelane-observer", got "other"',
    );
    expect(() => loadObserver(instance, null as never)).toThrow(
      '"state" expected an object, got null',
    );
    expect(() => loadObserver(instance, {} as never)).toThrow('"state.format" expected');
  });

  it("is written the same way every time", () => {
    const [a, b] = [1, 2].map(() => JSON.stringify(histogram(), null, 1));
    expect(a).toBe(b);
  });
});

it("merging loaded observers takes memory for the counts that they hold, not for tables", () => {
  const bins = 65_536;
  const options = { method: "mse", axis: 0, bins } as const;
  const one = createObserver(instance, options).observe(Float32Array.of(3), { shape: [1] });
  const state = copyOf(one.save());
  const many = { ...state, observed: 500, channels: new Array(500).fill(state.channels[0]) };
  const before = process.memoryUsage().arrayBuffers;
  const loaded = loadObserver(instance, copyOf(many)).merge(loadObserver(instance, copyOf(many)));
  expect(loaded.observed).toBe(1000);
  expect(loaded.channels).toBe(500);
  // a table of every channel would be 525 MB
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20);
  expect(countsOf(loaded, 499)).toBe(2);
});
