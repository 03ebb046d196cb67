/**
 * The workers of an instance, and the calls that use them. A call is prepared as without workers:
 * checked, its data placed, its weights packed. Then its products are divided among the workers,
 * which run them where they lie (shared-memory.ts), or in memories of their own (own-memory.ts).
 */
import { FreeList } from "../core/arena.ts";
import { Call } from "../core/call.ts";
import { typeFault } from "../core/check.ts";
import type { Handle } from "../core/handle.ts";
import {
  type Bytelane,
  checkInstance,
  type Follower,
  type WorkersOptions,
} from "../core/instance.ts";
import { PRODUCT_BYTES } from "../core/product.ts";
import { copyRecord, type Prepared, type Runner, runHere } from "../gemm/product.ts";
import type { KernelCall, Sharing } from "../search/layout.ts";
import {
  type Crew,
  type Division,
  type HeldCopies,
  Job,
  type Order,
  type PoolWorker,
} from "./job.ts";
import { divideOwn } from "./own-memory.ts";
import { divideCalls, divideShared } from "./shared-memory.ts";
import { type Divided, dividedOf } from "./split.ts";
import type { Answer, Start, WorkerTask } from "./worker.ts";
import { openWorker } from "./worker-handle.ts";

/** Multiplications from which on workers gain more than it costs to wake them, or to send rows. */
const LEAST_SHARED = 2 ** 25;
const LEAST_MESSAGES = 2 ** 28;

/** Jobs that run at the same time. Others wait, and have no scratch memory for the workers yet. */
const JOBS = 4;

const PAGE = 65536;
const DISPOSED = '"instance" expected a live instance, got one that was disposed during the call';

type Blocks = readonly (readonly [address: number, bytes: number])[];

/**
 * Pools that have work; the set keeps them alive. Engines collect a worker that is reachable only
 * from its own listeners, even while it works, and the call that waits never ends. This was seen
 * with an instance in a local variable of the awaiting function.
 */
const working = /* @__PURE__ */ new Set<Pool>();

/** Ends the workers of instances that were dropped without `dispose`. */
let dropped: FinalizationRegistry<Set<PoolWorker>> | undefined;

/** The products of one call, recorded until its operation has returned. */
class Recorder implements Runner {
  readonly #instance: Bytelane;
  /** The weights of each copied record, if a worker may keep a copy of them. */
  readonly #weights = new Map<number, Handle | undefined>();
  readonly products: Divided[] = [];
  readonly #packed: Handle[] = [];

  constructor(instance: Bytelane) {
    this.#instance = instance;
  }

  claim(call: Call, record: number, weights: Handle | undefined): number {
    const copy = call.scratch(PRODUCT_BYTES);
    copyRecord(this.#instance, record, copy);
    this.#weights.set(copy, weights);
    return copy;
  }

  run({ heap }: Bytelane, record: number, rows: number): void {
    this.products.push(dividedOf(heap.words, record, rows, this.#weights.get(record)));
  }

  release(weights: Handle): void {
    this.#packed.push(weights);
  }

  end(): void {
    for (const weights of this.#packed) weights.dispose();
  }
}

export class Pool implements Follower {
  readonly #instance: Bytelane;
  readonly #size: number;
  readonly #make: (() => unknown) | undefined;
  readonly #crew = new Map<PoolWorker, HeldCopies>();
  /** The workers of the crew and the retired ones, which all end with the instance. */
  readonly #workers = new Set<PoolWorker>();
  readonly #waiting: (() => void)[] = [];
  /** The numbers of the calls in flight, the oldest first. */
  readonly #calls = new Set<number>();
  /** Blocks of disposed handles, with the number of the last call that may read them. */
  readonly #given: (readonly [call: number, blocks: Blocks])[] = [];
  #running = 0;
  #lastCall = 0;
  #lastJob = 0;
  #ended = false;

  constructor(instance: Bytelane, size: number, make: (() => unknown) | undefined) {
    this.#instance = instance;
    this.#size = size;
    this.#make = make;
    instance.follower = this;
    if (typeof FinalizationRegistry === "function") {
      dropped ??= new FinalizationRegistry((workers) => {
        for (const worker of workers) worker.handle.end();
      });
      dropped.register(instance, this.#workers);
    }
  }

  /** Runs a prepared operation, its products on the workers. */
  async perform<R>(prepared: Prepared<R>): Promise<R> {
    return this.#counted(async () => {
      const call = new Call(this.#instance, prepared.result.given);
      const recorder = new Recorder(this.#instance);
      const divide = this.#instance.origin.shared ? divideShared : divideOwn;
      let done = false;
      try {
        const result = prepared.run(call, recorder);
        await this.#run((crew) => divide(this.#instance, crew, recorder.products));
        done = true;
        return result;
      } finally {
        try {
          call.end(done);
        } finally {
          recorder.end();
        }
      }
    });
  }

  /** Runs groups of kernel calls on the workers, in the memory that they share. */
  async call(groups: readonly (readonly KernelCall[])[]): Promise<undefined> {
    await this.#counted(() => this.#run((crew) => divideCalls(this.#instance, crew, groups)));
    return undefined;
  }

  /** Runs a call under a number. Blocks of handles disposed in the meantime are freed after it. */
  async #counted<R>(run: () => Promise<R>): Promise<R> {
    const number = ++this.#lastCall;
    this.#calls.add(number);
    working.add(this);
    try {
      return await run();
    } finally {
      this.#calls.delete(number);
      this.#giveBack();
      if (this.#calls.size === 0) working.delete(this);
    }
  }

  async #run(divide: (crew: Crew) => Division): Promise<void> {
    if (this.#running < JOBS) this.#running++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      if (this.#ended) throw new Error(DISPOSED);
      this.#fill();
      const division = divide(this.#crew);
      try {
        const answers = await this.#post(division.orders);
        if (this.#ended) throw new Error(DISPOSED);
        division.place(answers);
      } finally {
        division.free();
      }
    } finally {
      // the next waiting call takes this place among the running ones
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    }
  }

  /** Makes the workers that are missing. Fewer will do where one cannot be made. */
  #fill(): void {
    while (this.#crew.size < this.#size) {
      try {
        this.#add();
      } catch (fault) {
        if (this.#crew.size === 0) throw fault;
        return;
      }
    }
  }

  #add(): void {
    const { kernels, origin } = this.#instance;
    const handle = openWorker(
      this.#make,
      (message) => receive(worker, message as Answer),
      (why) => lose(worker, why),
    );
    // listeners that held the pool would keep a dropped instance alive; a platform without workers,
    // which may lack WeakRef too, has thrown by now
    const pool = new WeakRef(this);
    const worker: PoolWorker = {
      handle,
      arena: new FreeList(kernels.heap_base(), PAGE, 2 ** 32, () => true),
      jobs: new Set(),
      modules: new Set(),
      isRetired: false,
      isLost: false,
      leave: () => pool.deref()?.drop(worker),
      idle: () => {
        if (worker.isRetired) lose(worker, undefined);
        else handle.hold(false);
      },
    };
    const memory = origin.shared ? (kernels.memory as unknown as WebAssembly.Memory) : undefined;
    try {
      handle.post({ module: origin.module, memory } satisfies Start);
    } catch (fault) {
      handle.end();
      throw fault;
    }
    this.#crew.set(worker, new Map());
    this.#workers.add(worker);
  }

  /**
   * Retires a worker to which a message could not be sent: it gets no more jobs, and ends after its
   * current ones. If it ended at once, it might still write to memory that those jobs have freed.
   */
  #retire(worker: PoolWorker, job: Job, fault: unknown): void {
    worker.isRetired = true;
    this.#crew.delete(worker);
    job.lose(worker, faultOf(String((fault as Error)?.message ?? fault)));
  }

  /** Forgets a worker that was lost. */
  drop(worker: PoolWorker): void {
    this.#crew.delete(worker);
    this.#workers.delete(worker);
  }

  /** Sends a job to the workers, and waits until all of them have answered or were lost. */
  #post(orders: readonly Order[]): Promise<ReadonlyMap<PoolWorker, Answer>> {
    const job = new Job(++this.#lastJob);
    const beside = (["superblock", "search"] as const).flatMap((name) => {
      return this.#instance.modules.get(name)?.module ?? [];
    });
    for (const { worker, task, transfer, sent } of orders) {
      job.expect(worker);
      try {
        const modules = beside.filter((module) => !worker.modules.has(module));
        worker.handle.post({ ...task, job: job.number, modules } satisfies WorkerTask, transfer);
        for (const module of modules) worker.modules.add(module);
        sent();
      } catch (fault) {
        this.#retire(worker, job, fault);
      }
    }
    job.begin();
    return job.settled;
  }

  /** Frees the blocks of a disposed handle, after the calls in flight that may read them. */
  release(blocks: Blocks): void {
    this.#given.push([this.#lastCall, blocks]);
    this.#giveBack();
  }

  #giveBack(): void {
    const [oldest = Number.POSITIVE_INFINITY] = this.#calls;
    while (this.#given.length > 0 && this.#given[0][0] < oldest) {
      const [, blocks] = this.#given.shift()!;
      for (const [address, bytes] of blocks) this.#instance.arena.free(address, bytes);
    }
  }

  /** Ends the workers, and rejects their calls, when the instance is disposed. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const worker of [...this.#workers]) lose(worker, undefined);
  }
}

function receive(worker: PoolWorker, message: Answer): void {
  for (const job of worker.jobs) {
    if (job.number !== message?.job) continue;
    job.answer(worker, message);
    return;
  }
}

const faultOf = (why: string) =>
  new Error(`"options.workers" expected workers that go on, got one that ended: ${why}`);

/** Ends a worker, and its part in every job. Without a reason the instance was disposed. */
function lose(worker: PoolWorker, why: string | undefined): void {
  if (worker.isLost) return;
  worker.isLost = true;
  worker.leave();
  const fault = why === undefined ? new Error(DISPOSED) : faultOf(why);
  for (const job of [...worker.jobs]) job.lose(worker, fault);
  worker.handle.end();
}

/**
 * The number of workers of an instance, the function that makes one, and the least work for them.
 */
function optionsOf(instance: Bytelane): Required<Omit<WorkersOptions, "worker">> & {
  readonly worker: WorkersOptions["worker"];
} {
  const { workers, shared } = checkInstance(instance).origin;
  const {
    size,
    worker,
    minimumWork = shared ? LEAST_SHARED : LEAST_MESSAGES,
  } = typeof workers === "number" ? ({ size: workers } as WorkersOptions) : workers;
  return { size, worker, minimumWork };
}

function poolOf(instance: Bytelane, { size, worker }: ReturnType<typeof optionsOf>): Pool {
  if (worker !== undefined && typeof worker !== "function") {
    throw typeFault("options.workers.worker", "a function that makes a worker", worker);
  }
  instance.follower ??= new Pool(instance, size, worker);
  return instance.follower as Pool;
}

/** Runs a prepared operation on the workers of its instance, if it has some and they pay. */
export async function perform<R>(prepared: Prepared<R>): Promise<R> {
  const { instance, work } = prepared;
  const options = optionsOf(instance);
  if (options.size === 0 || !(work > 0 && work >= options.minimumWork)) return runHere(prepared);
  return poolOf(instance, options).perform(prepared);
}

/**
 * The interface to run kernel calls on workers that share the memory of an instance, if it has any.
 */
export function sharing(instance: Bytelane): Sharing | undefined {
  const options = optionsOf(instance);
  if (options.size === 0 || !instance.origin.shared) return undefined;
  return {
    ...{ size: options.size, minimumWork: options.minimumWork },
    run: (groups) => poolOf(instance, options).call(groups),
  };
}
