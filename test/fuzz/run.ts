/** Runs fuzzed calls on instances of every tier that the engine has. */
import fc from "fast-check";
import { type Bytelane, createBytelaneSync, type Tier } from "../../src/entries/index.ts";
import type { Operation } from "./operation.ts";
import { OPERATIONS } from "./operations.ts";
import { Overlap } from "./overlaps.ts";
import { Mismatch, World } from "./world.ts";

export const NAMES: readonly string[] = OPERATIONS.map(({ name }) => name);

export interface Fuzzing {
  readonly calls: number;
  readonly seed: number;
  readonly only: readonly string[];
  readonly onProgress: (calls: number, detail: string) => void;
}

export interface Finding {
  readonly operation: string;
  readonly tier: Tier;
  readonly kind: "mismatches" | "overlapWrong" | "traps" | "leakedBytes" | "errors";
  /** The smallest case that fails, and how to run it again. */
  readonly text: string;
}

export interface Fuzzed {
  readonly figures: Record<string, number>;
  readonly findings: Finding[];
}

/** Calls of one operation on one instance between two shows of progress. */
const BATCH = 150;
/** Operations of which a call makes instances, or is many calls. */
const LONG: Readonly<Record<string, number>> = { sequences: 10 };

function instances(): Bytelane[] {
  const portable = { tier: "relaxed", relaxedDot: "portable" } as const;
  return [{ tier: "simd" } as const, { tier: "relaxed" } as const, portable].flatMap((options) => {
    try {
      return [createBytelaneSync(options)];
    } catch {
      return []; // this engine does not have it
    }
  });
}

class Leak extends Error {}

function expectNone(leaked: number): void {
  if (leaked !== 0) throw new Leak(`${leaked} bytes were not given back`);
}

/** One call with its checks. */
function call(instance: Bytelane, { run }: Operation<unknown>, given: unknown): void {
  const world = new World(instance);
  let leaked = 0;
  try {
    run(world, given);
  } finally {
    leaked = world.end();
  }
  expectNone(leaked);
}

async function callAsync(instance: Bytelane, { run }: Operation<unknown>, given: unknown) {
  const world = new World(instance);
  let leaked = 0;
  try {
    await run(world, given);
  } finally {
    leaked = world.end();
  }
  expectNone(leaked);
}

function kindOf(fault: unknown): Finding["kind"] {
  if (fault instanceof Overlap) return "overlapWrong";
  if (fault instanceof Mismatch) return "mismatches";
  if (fault instanceof WebAssembly.RuntimeError) return "traps";
  return fault instanceof Leak ? "leakedBytes" : "errors";
}

/** Draws a batch; fast-check shrinks what fails. */
function batch(instance: Bytelane, operation: Operation<unknown>, numRuns: number, seed: number) {
  const { cases, isAsync } = operation;
  const property = isAsync
    ? fc.asyncProperty(cases, (given) => callAsync(instance, operation, given))
    : fc.property(cases, (given) => call(instance, operation, given));
  return fc.check(property as fc.IAsyncProperty<[unknown]>, { numRuns, seed, verbose: 0 });
}

export async function fuzz({ calls, seed, only, onProgress }: Fuzzing): Promise<Fuzzed> {
  const chosen = OPERATIONS.filter(({ name }) => only.length === 0 || only.includes(name));
  const all = instances();
  const findings: Finding[] = [];
  const failed = new Set<string>();
  let done = 0;
  for (let round = 0; done < calls; round++) {
    for (const operation of chosen) {
      for (const instance of all) {
        if (done >= calls) break;
        const numRuns = Math.min(LONG[operation.name] ?? BATCH, calls - done);
        done += numRuns;
        const place = `${operation.name} on ${instance.tier}`;
        if (failed.has(place)) continue;
        const batchSeed = (seed + round * 7919) | 0;
        const {
          failed: isFailed,
          counterexample,
          errorInstance,
        } = await batch(instance, operation, numRuns, batchSeed);
        if (isFailed) {
          failed.add(place);
          const [given] = counterexample as [unknown];
          const words = errorInstance instanceof Error ? errorInstance.message : errorInstance;
          findings.push({
            operation: operation.name,
            tier: instance.tier,
            kind: kindOf(errorInstance),
            text: `${place}: ${words}\n  case ${JSON.stringify(given)}, seed ${batchSeed}`,
          });
        }
        onProgress(done, place);
      }
    }
  }
  const count = (kind: Finding["kind"]) => findings.filter((each) => each.kind === kind).length;
  const leaked = all.reduce((sum, instance) => sum + instance.bytesUsed, 0);
  for (const instance of all) instance.dispose();
  return {
    findings,
    figures: {
      calls: done,
      mismatches: count("mismatches"),
      overlapWrong: count("overlapWrong"),
      traps: count("traps"),
      errors: count("errors"),
      leakedBytes: leaked,
      operations: chosen.length,
      tiers: all.length,
    },
  };
}
