/**
 * Fuzzes the operations on workers: every call settles, with the bytes of one thread or with an
 * error that has a reason, whatever befalls the workers.
 */
import { readFileSync } from "node:fs";
import { type Bytelane, linear as linearHere, tensor } from "../../src/entries/index.ts";
import { createBytelaneSync } from "../../src/entries/load.ts";
import { linear as linearOnWorkers } from "../../src/workers/index.ts";
import { createRandom, integerIn } from "../../tools/random.mjs";
import { bytesOf, casesOf, layerOf, type PoolCase } from "./pool-cases.ts";
import { Chaos, STEPS } from "./pool-workers.ts";

export interface PoolFuzzing {
  readonly calls: number;
  readonly seed: number;
  /** Workers that are ended within these calls. */
  readonly kills: number;
  /** The folder of the builds, dist/wasm. */
  readonly folder: URL;
  readonly onProgress: (calls: number, detail: string) => void;
  readonly onFinding?: (finding: PoolFinding) => void;
}

export interface PoolFinding {
  readonly kind: "stuck" | "wrong" | "errors" | "leaks";
  readonly text: string;
}

/** Calls on one instance. */
const ROUND = 3000;
/** Milliseconds after which a call that has not settled is stuck; see Clock. */
const PATIENCE = 30_000;
/** Findings of a round after which it is given up. */
const ENOUGH = 5;

/** Errors that a call may end with, and what has to have happened for each. */
const REASONS = [
  [/got one that ended: |no more workers|could not be cloned/, "worker"],
  [/got one that was disposed during the call$|live instance, got a disposed one$/, "disposed"],
  [/arrays that keep their length during a call, got /, "transferred"],
] as const;
type Reason = (typeof REASONS)[number][1];

/** Milliseconds that this process has run: those in which it was halted as a whole do not count. */
class Clock {
  #now = 0;
  #last = performance.now();

  /** To be called about once a second. */
  tick(): void {
    const now = performance.now();
    this.#now += Math.min(now - this.#last, 1500);
    this.#last = now;
  }

  get now(): number {
    return this.#now;
  }
}

interface Running {
  readonly name: string;
  readonly since: number;
  readonly reasons: Set<Reason>;
}

const newCounts = () => ({
  ...{ calls: 0, stuck: 0, wrong: 0, errors: 0, leaks: 0 },
  ...{ killed: 0, refused: 0, delayed: 0, repeated: 0 },
  ...{ rejected: 0, transferred: 0, disposed: 0 },
});
type Counts = ReturnType<typeof newCounts>;

/** What a round of calls is done on, drawn from its seed. */
function drawRound(seed: number, folder: URL) {
  const random = createRandom(seed);
  const isShared = random() < 0.5;
  const tier = random() < 0.5 ? "simd" : "relaxed";
  const size = [1, 2, 3, 4, 8][integerIn(random, 0, 4)];
  const isRough = random() < 0.7;
  const chaos = new Chaos(random, isRough ? 0.01 : 0, isRough && random() < 0.5 ? 0.0005 : 0);
  const name = `bytelane.${tier}${isShared ? ".threads" : ""}.wasm`;
  const instance = createBytelaneSync({
    [tier]: new WebAssembly.Module(readFileSync(new URL(name, folder))),
    ...{ tier, shared: isShared, maximumMemory: 2 ** 27 },
    workers: { size, minimumWork: 1, worker: chaos.make },
  } as Parameters<typeof createBytelaneSync>[0]);
  const place = `${size} workers on ${isShared ? "one memory" : "memories of their own"}, ${tier}`;
  return { random, chaos, instance, place, inFlight: [1, 4, 16, 64][integerIn(random, 0, 3)] };
}

/** Memory with a pattern that nobody may write to: late writes of workers would. */
class Canaries {
  readonly #instance: Bytelane;
  readonly #list: { data: Uint8Array; dispose(): void }[] = [];

  constructor(instance: Bytelane) {
    this.#instance = instance;
  }

  add(length: number): void {
    const made = tensor(this.#instance, "u8", [length]);
    made.data.fill(0xa5);
    this.#list.push(made as never);
  }

  /** How many were written to; all but the newest few are given back. */
  check(keep: number): number {
    let hurt = 0;
    for (const each of this.#list.splice(0, Math.max(0, this.#list.length - keep))) {
      if (each.data.some((byte) => byte !== 0xa5)) hurt++;
      each.dispose();
    }
    return hurt;
  }
}

class Round {
  readonly #seed: number;
  readonly #counts: Counts;
  readonly #findings: PoolFinding[];
  readonly #onFinding: (finding: PoolFinding) => void;
  readonly #given: ReturnType<typeof drawRound>;
  readonly #cases: PoolCase[];
  readonly #canaries: Canaries;
  readonly #running = new Set<Running>();
  readonly #clock = new Clock();
  #found = 0;
  #isDisposed = false;
  #wake = () => {};

  constructor(
    seed: number,
    folder: URL,
    counts: Counts,
    findings: PoolFinding[],
    onFinding: (finding: PoolFinding) => void,
  ) {
    this.#seed = seed;
    this.#onFinding = onFinding;
    this.#counts = counts;
    this.#findings = findings;
    this.#given = drawRound(seed, folder);
    this.#cases = casesOf(this.#given.instance, this.#given.random);
    this.#canaries = new Canaries(this.#given.instance);
  }

  #find(kind: PoolFinding["kind"], words: string): void {
    this.#counts[kind]++;
    this.#found++;
    const text = `${words}\n  ${this.#given.place}, seed of the round ${this.#seed}`;
    if (this.#findings.length >= 50) return;
    this.#findings.push({ kind, text });
    this.#onFinding({ kind, text });
  }

  /** One call, whose end is noted whenever it comes. */
  #start(
    name: string,
    call: () => Promise<unknown>,
    wanted: Uint8Array,
    out: Float32Array | undefined,
  ) {
    const entry: Running = { name, since: this.#clock.now, reasons: new Set() };
    this.#running.add(entry);
    this.#counts.calls++;
    const end = (note: () => void) => {
      // one that was given up as stuck is none of these any more
      if (!this.#running.delete(entry)) return;
      note();
      this.#wake();
    };
    call().then(
      (result) =>
        end(() => {
          if (out?.length === 0) return; // transferred in the meantime
          const got = bytesOf(result as Float32Array);
          if (Buffer.compare(got, wanted) !== 0) this.#find("wrong", name);
        }),
      (fault) => end(() => this.#judge(entry, fault)),
    );
    return entry;
  }

  #judge({ name, reasons }: Running, fault: Error): void {
    this.#counts.rejected++;
    const words = String(fault?.message);
    const [, reason] = REASONS.find(([pattern]) => pattern.test(words)) ?? [];
    const { killed, refused } = this.#given.chaos.counts;
    const isExpected =
      (reason === "worker" && killed + refused > 0) ||
      (reason === "disposed" && this.#isDisposed) ||
      (reason !== undefined && reasons.has(reason));
    if (!isExpected) this.#find("errors", `${name}: ${fault?.stack ?? words}`);
  }

  /** Waits until at most so many calls are in flight. */
  async #settle(most: number): Promise<void> {
    while (this.#running.size > most) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Gives up calls that do not settle; called every second. */
  #look(): void {
    this.#clock.tick();
    for (const entry of this.#running) {
      if (this.#clock.now - entry.since < PATIENCE) break;
      this.#running.delete(entry);
      const workers = [...this.#given.chaos.workers].join("; ");
      this.#find("stuck", `${entry.name} has not settled for ${PATIENCE / 1000} s; ${workers}`);
    }
    this.#wake();
  }

  #callOne(): void {
    const { random, instance } = this.#given;
    const draw = random();
    if (draw < 0.003) {
      this.#callDisposed();
      return;
    }
    if (draw < 0.005) tensor(instance, "u8", [integerIn(random, 1, 2 ** 18)]).dispose();
    if (draw < 0.02) this.#canaries.add(integerIn(random, 1, 2000));
    const { name, wanted, run, makeOut } =
      this.#cases[integerIn(random, 0, this.#cases.length - 1)];
    const out = makeOut && random() < 0.3 ? makeOut() : undefined;
    const entry = this.#start(name, () => run(out), wanted, out as Float32Array | undefined);
    if (out && random() < 0.02) {
      this.#counts.transferred++;
      entry.reasons.add("transferred");
      const transfer = () => structuredClone(out.buffer, { transfer: [out.buffer as ArrayBuffer] });
      if (random() < 0.5) transfer();
      else setImmediate(transfer);
    }
  }

  /** A call on a layer that is disposed as soon as the call is made. */
  #callDisposed(): void {
    const { instance, random } = this.#given;
    const { layer, name, m, depth } = layerOf(instance, random);
    const x = Float32Array.from({ length: m * depth }, () => 100 * random() - 50);
    const wanted = bytesOf(linearHere(layer, x));
    this.#start(`linear ${name}, disposed`, () => linearOnWorkers(layer, x), wanted, undefined);
    layer.dispose();
  }

  async run(calls: number, kills: number): Promise<void> {
    // it keeps the process alive as well
    const timer = setInterval(() => this.#look(), 1000);
    try {
      await this.#run(calls, kills);
    } finally {
      clearInterval(timer);
    }
  }

  async #run(calls: number, kills: number): Promise<void> {
    const { random, chaos, inFlight, instance } = this.#given;
    const at = Array.from({ length: kills }, () => integerIn(random, 0, calls - 1));
    if (random() < 0.1) chaos.left = 10;
    for (let i = 0; i < calls && this.#found < ENOUGH; i++) {
      for (const each of at) if (each === i) chaos.pending.push(STEPS[integerIn(random, 0, 7)]);
      if (chaos.takes("idle")) chaos.killOne();
      this.#callOne();
      if (i % 100 === 0) this.#checkCanaries(8);
      await this.#settle(inFlight - 1);
    }
    if (random() < 0.5) {
      this.#counts.disposed++;
      this.#dispose();
    }
    await this.#settle(0);
    if (!this.#isDisposed) {
      this.#checkCanaries(0);
      for (const each of this.#cases) each.dispose();
      const { bytesUsed } = instance;
      if (bytesUsed !== 0) this.#find("leaks", `${bytesUsed} bytes are still in use`);
      this.#dispose();
    }
    // deaths inside of threads are heard of late
    await new Promise((resolve) => setTimeout(resolve, 5));
    for (const [name, count] of Object.entries(chaos.counts)) {
      this.#counts[name as keyof typeof chaos.counts] += count;
    }
  }

  #checkCanaries(keep: number): void {
    const hurt = this.#canaries.check(keep);
    if (hurt > 0) this.#find("wrong", `${hurt} tensors were written to by a call`);
  }

  #dispose(): void {
    this.#isDisposed = true;
    this.#given.instance.dispose();
  }
}

/** Waits and notifies of this thread, where there are any, are late or twofold. */
function disturbNotify(): () => void {
  const { notify } = Atomics;
  let count = 0;
  Atomics.notify = (...given: [array: never, index: number, waiting?: number]) => {
    if (++count % 20 === 0) setTimeout(() => notify(...given), 1);
    return count % 20 === 0 ? 0 : notify(...given);
  };
  return () => {
    Atomics.notify = notify;
  };
}

export async function fuzzPool({
  calls,
  seed,
  kills,
  folder,
  onProgress,
  onFinding = () => {},
}: PoolFuzzing) {
  const counts = newCounts();
  const findings: PoolFinding[] = [];
  const restore = disturbNotify();
  const rounds = Math.ceil(calls / ROUND);
  try {
    // kills whose step did not come are made up for in rounds of their own
    for (let i = 0; i < rounds || (counts.killed < kills && i < 2 * rounds + 20); i++) {
      const roundSeed = (seed + i * 7919) % 2 ** 31;
      const left = Math.max(0, calls - i * ROUND);
      const due = Math.ceil((kills * Math.min(i + 1, rounds)) / rounds) - counts.killed;
      const round = new Round(roundSeed, folder, counts, findings, onFinding);
      await round.run(i < rounds ? Math.min(ROUND, left) : 200, Math.max(0, due));
      onProgress(Math.min(counts.calls, calls), `${counts.killed} killed, ${counts.stuck} stuck`);
    }
  } finally {
    restore();
  }
  return { figures: counts, findings };
}
