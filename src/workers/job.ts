/** The work of one call for the workers, and their answers. */

import type { FreeList } from "../core/arena.ts";
import type { Handle } from "../core/handle.ts";
import type { Answer, WorkerTask } from "./worker.ts";
import type { WorkerHandle } from "./worker-handle.ts";

/**
 * A worker of an instance. While it is idle, nothing in it refers to the instance: the engine keeps
 * a worker alive as long as its thread runs, and with it all that it refers to.
 */
export interface PoolWorker {
  readonly handle: WorkerHandle;
  /** Allocates in the worker's own memory, and defines its size. */
  readonly arena: FreeList;
  /** Jobs that wait for it. */
  readonly jobs: Set<Job>;
  /** Modules beside the main one that it was sent. */
  readonly modules: Set<WebAssembly.Module>;
  /** It gets no more jobs. */
  isRetired: boolean;
  isLost: boolean;
  /** Removes the worker from its pool. */
  leave(): void;
  /** No job waits for it any more. */
  idle(): void;
}

/** The panels of some weights in a worker's memory. */
export interface Copies {
  readonly firstPanel: number;
  readonly panels: number;
  /** By the name of the field that points to them: address, and bytes. */
  readonly arrays: Map<string, readonly [address: number, bytes: number]>;
}

/** The copies that a worker holds, by the handle of the weights: an address may return. */
export type HeldCopies = Map<Handle, Copies>;

/** The workers that share a job, and the copies that each holds. */
export type Crew = ReadonlyMap<PoolWorker, HeldCopies>;

/** The task that is sent to one worker. */
export interface Order {
  readonly worker: PoolWorker;
  readonly task: Omit<WorkerTask, "job" | "modules">;
  readonly transfer: readonly ArrayBuffer[];
  /** Called once the task is on its way. */
  sent(): void;
}

/** How the products of a call run on workers: the task of each, and where the answers go. */
export interface Division {
  readonly orders: readonly Order[];
  /** Copies the answers of the workers to the results. */
  place(answers: ReadonlyMap<PoolWorker, Answer>): void;
  /** Gives back what was allocated for the workers. */
  free(): void;
}

/**
 * A job is "new", then "running" while its workers run it, then "settled". It settles once, when
 * the last of its workers has answered or was lost.
 */
export class Job {
  readonly number: number;
  /** Resolves with the answers, or rejects with the error of the first worker that was lost. */
  readonly settled: Promise<ReadonlyMap<PoolWorker, Answer>>;
  readonly #answers = new Map<PoolWorker, Answer>();
  readonly #waiting = new Set<PoolWorker>();
  #state: "new" | "running" | "settled" = "new";
  #fault: Error | undefined;
  #resolve!: (answers: ReadonlyMap<PoolWorker, Answer>) => void;
  #reject!: (fault: Error) => void;

  constructor(number: number) {
    this.number = number;
    this.settled = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // marks a rejection as handled: nobody waits for the job while it is being posted
    this.settled.catch(() => {});
  }

  /** Adds a worker that the job waits for. */
  expect(worker: PoolWorker): void {
    this.#expect("new");
    this.#waiting.add(worker);
    worker.jobs.add(this);
    if (worker.jobs.size === 1) worker.handle.hold(true);
  }

  /** All of its workers are known now. */
  begin(): void {
    this.#expect("new");
    this.#state = "running";
    this.#settle();
  }

  answer(worker: PoolWorker, answer: Answer): void {
    if (!this.#leave(worker)) return;
    this.#answers.set(worker, answer);
    this.#settle();
  }

  /** A worker will not answer any more. */
  lose(worker: PoolWorker, fault: Error): void {
    if (!this.#leave(worker)) return;
    this.#fault ??= fault;
    this.#settle();
  }

  #leave(worker: PoolWorker): boolean {
    if (!this.#waiting.delete(worker)) return false;
    worker.jobs.delete(this);
    if (worker.jobs.size === 0) worker.idle();
    return true;
  }

  /** The one place where a job settles. */
  #settle(): void {
    if (this.#state !== "running" || this.#waiting.size > 0) return;
    this.#state = "settled";
    if (this.#fault) this.#reject(this.#fault);
    else this.#resolve(this.#answers);
  }

  #expect(state: "new" | "running"): void {
    if (this.#state !== state) throw new Error(`a job is ${this.#state}, not ${state}`);
  }
}
