/**
 * Workers for the fuzz of the pool: their messages are late, repeated or refused, and they end at
 * any step of a call. Only what a platform may do is done: messages of a worker stay in order.
 */
import { Worker } from "node:worker_threads";
import type { Start, WorkerTask } from "../../src/workers/worker.ts";
import { WORKER } from "../../src/workers/worker-text.ts";
import { integerIn } from "../../tools/random.mjs";

/** Where a worker can end. */
export const STEPS = [
  ...(["made", "started", "before a task", "after a task", "with its answer", "idle"] as const),
  ...(["inside a task", "by a fault in a task"] as const),
] as const;
export type Step = (typeof STEPS)[number];

/**
 * What runs in a worker before the library's text: pieces are taken late, a task ends the thread or
 * fails where its message says so, and waits and notifies, where there are any, are spurious, late
 * or twofold.
 */
const PRELUDE = `{
  let state = SEED;
  const random = () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) / 2 ** 32;
  const spin = (milliseconds) => {
    for (const end = performance.now() + milliseconds; performance.now() < end; );
  };
  let end;
  process.getBuiltinModule("worker_threads").parentPort.on("message", (message) => {
    end = message.end ?? end;
  });
  const { add, notify, wait } = Atomics;
  Atomics.add = (...given) => {
    if (end && --end.pieces === 0) {
      if (end.isFault) throw new Error("a fault of the fuzz");
      process.exit(3);
    }
    if (random() < LATE) spin(random() / 2);
    return add(...given);
  };
  Atomics.wait = (...given) => (random() < LATE ? "ok" : wait(...given));
  Atomics.notify = (...given) => {
    if (random() < LATE) spin(random() / 2);
    if (random() < LATE) notify(...given);
    return notify(...given);
  };
}
`;

type Message = Start | WorkerTask;
type Listener = (value: unknown) => void;

export interface ChaosCounts {
  killed: number;
  refused: number;
  delayed: number;
  repeated: number;
}

/** What goes wrong with the workers of one instance. */
export class Chaos {
  readonly random: () => number;
  readonly counts: ChaosCounts = { killed: 0, refused: 0, delayed: 0, repeated: 0 };
  /** Ends that are to come, each when a worker comes to its step. */
  readonly pending: Step[] = [];
  readonly workers = new Set<FuzzedWorker>();
  /** Shares of messages that are late or repeated, and of those that cannot be sent. */
  readonly late: number;
  readonly refusing: number;
  /** Workers that can still be made. */
  left = Number.POSITIVE_INFINITY;

  constructor(random: () => number, late: number, refusing: number) {
    Object.assign(this, { random, late, refusing });
    this.random = random;
    this.late = late;
    this.refusing = refusing;
  }

  readonly make = (): FuzzedWorker => {
    if (this.left <= 0) throw new Error("no more workers");
    this.left--;
    const worker = new FuzzedWorker(this);
    this.workers.add(worker);
    return worker;
  };

  /** Whether a worker that has come to a step ends there. */
  takes(step: Step): boolean {
    const at = this.pending.indexOf(step);
    if (at >= 0) this.pending.splice(at, 1);
    return at >= 0;
  }

  happens(share: number): boolean {
    return this.random() < share;
  }

  /** Ends one of the workers, whatever it is at. */
  killOne(): void {
    const living = [...this.workers].filter(({ isAlive }) => isAlive);
    if (living.length > 0) living[integerIn(this.random, 0, living.length - 1)].kill();
  }
}

/** Messages in one direction, in order, some of them late. */
class Strand {
  readonly #chaos: Chaos;
  readonly #queue: (() => void)[] = [];

  constructor(chaos: Chaos) {
    this.#chaos = chaos;
  }

  pass(deliver: () => void): void {
    if (this.#queue.length > 0) this.#queue.push(deliver);
    else if (this.#chaos.happens(this.#chaos.late)) {
      this.#chaos.counts.delayed++;
      this.#queue.push(deliver);
      if (this.#chaos.happens(0.2)) setTimeout(() => this.#flush(), 2 * this.#chaos.random());
      else setImmediate(() => this.#flush());
    } else deliver();
  }

  #flush(): void {
    for (const deliver of this.#queue.splice(0)) deliver();
  }
}

/** A worker of Node as the pool sees it. */
export class FuzzedWorker {
  readonly #chaos: Chaos;
  readonly #worker: Worker;
  readonly #sent: Strand;
  readonly #received: Strand;
  isAlive = true;
  #tasks = 0;
  #answers = 0;

  constructor(chaos: Chaos) {
    this.#chaos = chaos;
    this.#sent = new Strand(chaos);
    this.#received = new Strand(chaos);
    const text = PRELUDE.replace("SEED", String(integerIn(chaos.random, 0, 2 ** 31))).replaceAll(
      "LATE",
      String(chaos.late),
    );
    this.#worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(text + WORKER)}`));
    // it ended by itself: the pool's own end is exit code 1 without an error
    this.#worker.on("error", () => this.#die());
    this.#worker.on("exit", (code) => {
      if (code === 3) this.#die();
      this.isAlive = false;
      chaos.workers.delete(this);
    });
    if (chaos.takes("made")) this.kill();
  }

  #die(): void {
    if (this.isAlive) this.#chaos.counts.killed++;
    this.isAlive = false;
  }

  kill(): void {
    this.#die();
    this.#worker.terminate();
  }

  postMessage(message: Message, transfer?: readonly ArrayBuffer[]): void {
    const chaos = this.#chaos;
    if (chaos.happens(chaos.refusing)) {
      chaos.counts.refused++;
      throw new DOMException("the message could not be cloned", "DataCloneError");
    }
    const isTask = "job" in message;
    let sent: object = message;
    if (isTask) {
      if (chaos.takes("before a task")) this.kill();
      const isFault = chaos.takes("by a fault in a task");
      if (isFault || chaos.takes("inside a task")) {
        const pieces = integerIn(chaos.random, 1, message.pieces.length + 1);
        sent = { ...message, end: { pieces, isFault } };
      }
    }
    const kills = chaos.takes(isTask ? "after a task" : "started");
    this.#sent.pass(() => {
      this.#worker.postMessage(sent, transfer as ArrayBuffer[]);
      if (isTask) this.#tasks++;
      if (kills) this.kill();
    });
  }

  on(event: string, listener: Listener): void {
    if (event !== "message") {
      // the end of a worker may overtake its last answers
      this.#worker.on(event, listener);
      return;
    }
    const chaos = this.#chaos;
    this.#worker.on("message", (message) => {
      this.#answers++;
      if (chaos.takes("with its answer")) this.kill();
      this.#received.pass(() => listener(message));
      if (!chaos.happens(chaos.late)) return;
      chaos.counts.repeated++;
      this.#received.pass(() => listener(message));
      this.#received.pass(() => listener({ job: -1, results: [] }));
    });
  }

  /** What it is at, for a call that is stuck. */
  toString(): string {
    const state = this.isAlive ? "alive" : "ended";
    return `thread ${this.#worker.threadId} ${state}: ${this.#tasks} tasks, ${this.#answers} answers`;
  }

  ref(): void {
    this.#worker.ref();
  }

  unref(): void {
    this.#worker.unref();
  }

  terminate(): void {
    this.isAlive = false;
    this.#worker.terminate();
  }
}
