/**
 * The workers of an instance, and the operations that use them. A pooled operation is the plain one: it checks, places
 * its data and packs as ever, but its products are written down instead of run, and then divided among the workers.
 *
 * With a shared memory (a threaded build) the workers run them where they lie. Otherwise each worker has a memory of
 * its own, holds a part of the columns of every matrix that it has met, and gets the rows of each call in a message.
 */
import type { Kernels } from "../core/abi.ts";
import { FreeList } from "../core/arena.ts";
import { typeFault } from "../core/check.ts";
import { type Bytelane, checkInstance, type PoolOptions } from "../core/instance.ts";
import type { Memory } from "../core/memory.ts";
import {
  CALL_COUNT,
  createMailbox,
  type Mailbox,
  NEXT,
  NOTHING,
  PART_COUNT,
  PARTS,
  PUBLISHED,
  ROW,
  SLOTS,
  STOP,
  slotOf,
  tableOf,
  viewMailbox,
  WORKSPACE_AT,
  WORKSPACE_BYTES,
} from "./job-queue.ts";
import {
  leftOf,
  type Product,
  panelsOf,
  productOf,
  quantizingOf,
  type Recorded,
  rowsOf,
  runs,
} from "./split.ts";
import type { Answer, Order, Start } from "./worker.ts";
import { type Member, openMember } from "./worker-handle.ts";

/** Multiplications from which on the workers gain more than it costs to wake them, or to send them rows. */
const LEAST_SHARED = 2 ** 25;
const LEAST_MESSAGES = 2 ** 28;

/** Least rows and panels of a part: below them packing rows, or reading weights, takes more than it saves. */
const LEAST_ROWS = 32;
const LEAST_PANELS = 4;

const PAGE = 65536;

type Blocks = readonly (readonly [address: number, bytes: number])[];

/** A job that workers are at. */
interface Job {
  readonly number: number;
  readonly waiting: Set<Seat>;
  readonly results: Map<Seat, readonly Uint8Array<ArrayBuffer>[]>;
  fault: Error | undefined;
  settle(): void;
}

/** A worker, and what is known of its memory. */
interface Seat {
  readonly index: number;
  readonly member: Member;
  /** Of its memory, which is as long as the arena says. */
  readonly arena: FreeList;
  /** Copies of weights: address and bytes here, by their address in the instance. */
  readonly held: Map<number, readonly [address: number, bytes: number]>;
}

/** What one call has written down. */
interface Recording {
  readonly calls: Recorded[];
  readonly openCalls: { end(done: boolean): void }[];
  /** Rows to be quantized, by the address that they go to. */
  readonly rows: Map<number, Recorded>;
}

class Pool {
  readonly #instance: Bytelane;
  readonly #size: number;
  readonly #make: (() => unknown) | undefined;
  readonly #kernels: Kernels;
  readonly #recorder: Kernels;
  readonly #mailbox: (Mailbox & { readonly buffer: SharedArrayBuffer }) | undefined;
  readonly #seats: (Seat | undefined)[];
  /** Jobs in flight, the oldest first. */
  readonly #jobs = new Map<number, Job>();
  readonly #turns: (() => void)[] = [];
  /** Calls in flight, and blocks that were given back while they may be read. */
  readonly #calls = new Set<number>();
  readonly #given: (readonly [call: number, blocks: Blocks])[] = [];
  #lastCall = 0;
  #published = 0;
  #recording: Recording | undefined;
  #ended = false;

  constructor(instance: Bytelane, size: number, make: (() => unknown) | undefined) {
    this.#instance = instance;
    this.#size = size;
    this.#make = make;
    this.#kernels = instance.kernels;
    this.#recorder = this.#createRecorder();
    this.#seats = new Array(size).fill(undefined);
    if (instance.origin.shared) {
      const buffer = createMailbox();
      this.#mailbox = { buffer, ...viewMailbox(buffer) };
    }
    instance.follower = this;
  }

  /** Kernels that write products down, and the quantizing of rows that may be for one. */
  #createRecorder(): Kernels {
    const product = (kernel: "gemm" | "gemm_int4_f32") => {
      return (...values: number[]) => {
        const { calls, rows } = this.#recording!;
        const call = { kernel, values, rows: undefined };
        const [lhs] = leftOf(call);
        calls.push({ ...call, rows: rows.get(lhs) });
        rows.delete(lhs);
      };
    };
    const quantize = (kernel: "quantize_rows_f32_i8" | "quantize_rows_f32_u8") => {
      return (...values: number[]) => {
        this.#recording!.rows.set(values[2], { kernel, values, rows: undefined });
      };
    };
    return {
      ...this.#kernels,
      gemm: product("gemm"),
      gemm_int4_f32: product("gemm_int4_f32"),
      quantize_rows_f32_i8: quantize("quantize_rows_f32_i8"),
      quantize_rows_f32_u8: quantize("quantize_rows_f32_u8"),
    };
  }

  /** Runs an operation whose last step are products, these on the workers. */
  async perform<R>(operation: () => R): Promise<R> {
    const instance = this.#instance;
    const { arena, scalars } = instance;
    const own = arena.allocate(64);
    const call = ++this.#lastCall;
    this.#calls.add(call);
    const recording: Recording = { calls: [], openCalls: [], rows: new Map() };
    let done = false;
    try {
      this.#recording = recording;
      instance.kernels = this.#recorder;
      instance.scalars = own;
      instance.openCalls = recording.openCalls;
      let result: R;
      try {
        result = operation();
      } finally {
        instance.kernels = this.#kernels;
        instance.scalars = scalars;
        instance.openCalls = undefined;
        this.#recording = undefined;
      }
      await (this.#mailbox ? this.#share(recording.calls) : this.#distribute(recording.calls));
      done = true;
      return result;
    } finally {
      for (const call of recording.openCalls) call.end(done);
      arena.free(own, 64);
      this.#calls.delete(call);
      this.#giveBack();
    }
  }

  #run({ kernel, values }: Recorded): void {
    (this.#kernels[kernel] as (...values: readonly number[]) => void)(...values);
  }

  #quantizeHere({ rows }: Recorded): void {
    if (rows) this.#run(rows);
  }

  // A shared memory: parts that any worker takes

  async #share(calls: readonly Recorded[]): Promise<void> {
    const kernels = this.#kernels;
    const parts: number[][][] = [];
    let workspace = 64;
    const index = (kernel: keyof Kernels) => Object.keys(kernels).indexOf(kernel);
    for (const call of calls) {
      const p = productOf(kernels, call);
      const kernel = index(call.kernel);
      const panels = Math.ceil(p.n / 8);
      const share = 4 * this.#size;
      // few rows: each worker reads a part of the weights, instead of all of them
      const byRows = p.m >= LEAST_ROWS * this.#size || panels < LEAST_PANELS * this.#size;
      if (byRows) {
        const least = Math.min(LEAST_ROWS, Math.ceil(p.m / this.#size / 4) * 4);
        for (const [first, count] of runs(p.m, share, 4, least)) {
          const part = [[kernel, ...rowsOf(p, call, first, count)]];
          const { rows } = call;
          if (rows) part.unshift([index(rows.kernel), ...quantizingOf(rows, first, count)]);
          parts.push(part);
          workspace = Math.max(workspace, p.workspace(count));
        }
      } else {
        this.#quantizeHere(call);
        for (const [first, count] of runs(panels, share, 4, LEAST_PANELS)) {
          parts.push([[kernel, ...panelsOf(p, call, first, count)]]);
        }
        workspace = Math.max(workspace, p.workspace(p.m));
      }
    }
    const { arena } = this.#instance;
    const bytes = Math.ceil(workspace / 64) * 64;
    const workspaces = arena.allocate(bytes * this.#size);
    try {
      const jobs: Promise<unknown>[] = [];
      for (let at = 0; at < parts.length; at += PARTS) {
        const some = parts.slice(at, at + PARTS);
        jobs.push(this.#publish(some, workspaces, bytes));
      }
      await allOf(jobs);
    } finally {
      arena.free(workspaces, bytes * this.#size);
    }
  }

  /** Writes a job into its slot and wakes the workers. */
  async #publish(parts: number[][][], workspaces: number, bytes: number): Promise<void> {
    while (this.#jobs.size >= SLOTS) await new Promise<void>((turn) => this.#turns.push(turn));
    this.#checkLive();
    const { words, rows } = this.#mailbox!;
    const job = this.#published;
    const seats = this.#fill();
    const calls = Math.max(...parts.map((part) => part.length));
    const slot = slotOf(job);
    words[slot + NEXT] = 0;
    words[slot + PART_COUNT] = parts.length;
    words[slot + CALL_COUNT] = calls;
    words[slot + WORKSPACE_AT] = workspaces;
    words[slot + WORKSPACE_BYTES] = bytes;
    for (const [i, part] of parts.entries()) {
      for (let call = 0; call < calls; call++) {
        rows.set(part[call] ?? [NOTHING], tableOf(job) + (i * calls + call) * ROW);
      }
    }
    const done = this.#begin(job, seats);
    this.#published = (job + 1) | 0;
    Atomics.store(words, PUBLISHED, this.#published);
    Atomics.notify(words, PUBLISHED);
    await done;
  }

  // A memory for each: columns that stay, rows that come in messages

  async #distribute(calls: readonly Recorded[]): Promise<void> {
    while (this.#jobs.size >= SLOTS) await new Promise<void>((turn) => this.#turns.push(turn));
    this.#checkLive();
    const job = this.#published;
    this.#published = (job + 1) | 0;
    const seats = this.#fill();
    const loads = seats.map((seat) => new Load(this.#instance.memory, seat));
    const shares: Share[] = [];
    for (const call of calls) {
      this.#quantizeHere(call);
      const p = productOf(this.#kernels, call);
      const panels = Math.ceil(p.n / 8);
      const length = Math.ceil(panels / seats.length);
      const kernel = Object.keys(this.#kernels).indexOf(call.kernel);
      for (const [first, count] of runs(panels, seats.length, 1, length)) {
        const load = loads[first / length];
        shares.push({ p, call, first, load, read: load.add(p, call, kernel, first, count) });
      }
    }
    const done = this.#begin(job, seats);
    for (const { seat, order, transfer } of loads) {
      seat.member.post({ ...order, job, size: seat.arena.size } satisfies Order, transfer);
    }
    const results = await done;
    for (const load of loads) load.free();
    for (const share of shares) {
      placeColumns(this.#instance.memory, share, results.get(share.load.seat)![share.read]);
    }
  }

  // Workers, and jobs that they are at

  /** All workers, those that are missing newly started. */
  #fill(): Seat[] {
    const { kernels, origin } = this.#instance;
    for (let index = 0; index < this.#size; index++) {
      if (this.#seats[index]) continue;
      const member = openMember(
        this.#make,
        (message) => this.#receive(seat, message),
        (why) => this.#lose(seat, why),
      );
      const arena = new FreeList(kernels.heap_base(), PAGE, 2 ** 32, () => true);
      const seat: Seat = { index, member, arena, held: new Map() };
      this.#seats[index] = seat;
      const box = this.#mailbox;
      const shared = box && {
        ...{ memory: kernels.memory as unknown as WebAssembly.Memory, mailbox: box.buffer },
        ...{ index, job: this.#published },
      };
      member.post({ module: origin.module, shared } satisfies Start);
    }
    return this.#seats as Seat[];
  }

  /** Resolves with what the workers answer, when all of them have. */
  #begin(number: number, seats: readonly Seat[]): Promise<Job["results"]> {
    return new Promise((resolve, reject) => {
      const results: Job["results"] = new Map();
      const settle = () => (job.fault ? reject(job.fault) : resolve(results));
      const job: Job = { number, waiting: new Set(seats), results, fault: undefined, settle };
      this.#jobs.set(number, job);
      for (const seat of seats) seat.member.hold(true);
    });
  }

  #receive(seat: Seat, message: unknown): void {
    const { job: number, results } =
      typeof message === "number" ? { job: message, results: [] } : (message as Answer);
    const job = this.#jobs.get(number);
    if (!job?.waiting.delete(seat)) return;
    job.results.set(seat, results);
    this.#settleDone();
  }

  #lose(seat: Seat, why: string): void {
    if (this.#seats[seat.index] !== seat) return;
    this.#seats[seat.index] = undefined;
    seat.member.end();
    for (const job of this.#jobs.values()) {
      if (!job.waiting.delete(seat)) continue;
      job.fault ??= new Error(
        `"options.pool" expected workers that go on, got one that ended: ${why}`,
      );
    }
    this.#settleDone();
  }

  /** Ends the jobs that nobody is at any more. Workers that live on finish a job that has failed. */
  #settleDone(): void {
    for (const job of this.#jobs.values()) {
      if (job.waiting.size > 0) continue;
      this.#jobs.delete(job.number);
      job.settle();
      this.#turns.shift()?.();
    }
    if (this.#jobs.size === 0) for (const seat of this.#seats) seat?.member.hold(false);
  }

  #checkLive(): void {
    if (this.#ended) throw new Error(DISPOSED);
  }

  /** Follows the handles of the instance: what calls in flight may read is given back after them. */
  release(blocks: Blocks): void {
    this.#given.push([this.#lastCall, blocks]);
    this.#giveBack();
  }

  #giveBack(): void {
    const [oldest = Number.POSITIVE_INFINITY] = this.#calls;
    while (this.#given.length > 0 && (this.#given[0][0] < oldest || this.#calls.size === 0)) {
      for (const [address, bytes] of this.#given.shift()![1]) {
        this.#instance.arena.free(address, bytes);
        for (const seat of this.#seats) if (seat) drop(seat, address, bytes);
      }
    }
  }

  /** The end of the instance is that of its workers. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    const words = this.#mailbox?.words;
    if (words) {
      Atomics.store(words, STOP, 1);
      Atomics.add(words, PUBLISHED, 1);
      Atomics.notify(words, PUBLISHED);
    }
    const seats = this.#seats.splice(0);
    for (const seat of seats) seat?.member.end();
    for (const job of this.#jobs.values()) {
      job.fault = new Error(DISPOSED);
      job.waiting.clear();
    }
    this.#settleDone();
    for (const turn of this.#turns.splice(0)) turn();
  }
}

const DISPOSED = '"instance" expected a live instance, got one that was disposed during the call';

/** One product's columns at one worker, and which of its results they are. */
interface Share {
  readonly p: Product;
  readonly call: Recorded;
  readonly first: number;
  readonly load: Load;
  readonly read: number;
}

/** What one worker is sent for a job, and the room that it takes there. */
class Load {
  readonly seat: Seat;
  readonly transfer: ArrayBuffer[] = [];
  readonly #here: Memory;
  readonly #writes: [address: number, bytes: Uint8Array][] = [];
  readonly #calls: number[][] = [];
  readonly #reads: [address: number, bytes: number][] = [];
  readonly #rooms: [address: number, bytes: number][] = [];

  constructor(here: Memory, seat: Seat) {
    this.#here = here;
    this.seat = seat;
  }

  get order(): Pick<Order, "writes" | "calls" | "reads"> {
    return { writes: this.#writes, calls: this.#calls, reads: this.#reads };
  }

  #room(bytes: number): number {
    const address = this.seat.arena.allocate(bytes);
    this.#rooms.push([address, bytes]);
    return address;
  }

  #write(to: number, from: number, bytes: number): number {
    const copy = this.#here.view("u8", from, bytes).slice();
    this.#writes.push([to, copy]);
    this.transfer.push(copy.buffer);
    return to;
  }

  /** Adds some panels of a product; gives the place of their result among the answers. */
  add(p: Product, call: Recorded, kernel: number, first: number, count: number): number {
    const values = panelsOf(p, call, first, count);
    const { seat } = this;
    for (const [index, bytes] of p.weights) {
      const from = values[index];
      if (from === 0) continue;
      const key = call.values[index];
      // what all columns share has one entry, and no step
      const size = Math.max(bytes * count, 4);
      let [to] = seat.held.get(key) ?? [];
      if (to === undefined) {
        to = this.#write(seat.arena.allocate(size), from, size);
        seat.held.set(key, [to, size]);
      }
      values[index] = to;
    }
    for (const [index, bytes] of p.columns) {
      const from = values[index];
      if (from !== 0) values[index] = this.#write(this.#room(bytes * count), from, bytes * count);
    }
    const [lhs, , rowBytes] = leftOf(call);
    for (const [index, step] of p.rows) {
      const from = values[index];
      if (from === 0 || index === p.index.dst) continue;
      const size = step * (p.m - 1) + (from === lhs ? rowBytes : 4);
      values[index] = this.#write(this.#room(size), from, size);
    }
    const width = values[p.index.n] * p.size;
    values[p.index.dst] = this.#room(p.m * width);
    values[p.index.dst + 1] = width;
    values[values.length - 1] = this.#room(p.workspace(p.m));
    this.#calls.push([kernel, ...values]);
    this.#reads.push([values[p.index.dst], p.m * width]);
    return this.#reads.length - 1;
  }

  free(): void {
    for (const [address, bytes] of this.#rooms) this.seat.arena.free(address, bytes);
  }
}

/** Lays the columns of a share into the rows of the result: word by word, since a copy for each row would cost more. */
function placeColumns(memory: Memory, { p, call, first }: Share, columns: Uint8Array): void {
  const stride = call.values[p.index.dst + 1];
  const width = columns.length / p.m;
  const start = call.values[p.index.dst] + first * 8 * p.size;
  const length = stride * (p.m - 1) + width;
  if ((start | stride | width) % 4 !== 0) {
    const out = memory.view("u8", start, length);
    for (let i = 0; i < p.m; i++) {
      out.set(columns.subarray(i * width, (i + 1) * width), i * stride);
    }
    return;
  }
  const out = memory.view("i32", start, length / 4);
  const words = new Int32Array(
    columns.buffer as ArrayBuffer,
    columns.byteOffset,
    columns.length / 4,
  );
  for (let at = 0, from = 0; from < words.length; at += stride / 4) {
    for (let i = at; i < at + width / 4; i++) out[i] = words[from++];
  }
}

/** Gives the copies of a block back that a worker holds. */
function drop({ held, arena }: Seat, address: number, bytes: number): void {
  for (const [key, [at, size]] of held) {
    if (key < address || key >= address + bytes) continue;
    held.delete(key);
    arena.free(at, size);
  }
}

/** Waits for all jobs, then fails if one of them has. */
async function allOf(jobs: readonly Promise<unknown>[]): Promise<void> {
  for (const job of await Promise.allSettled(jobs)) {
    if (job.status === "rejected") throw job.reason;
  }
}

/** Runs an operation whose last steps are products of so many multiplications, on the workers where that pays. */
export async function perform<R>(instance: Bytelane, work: number, operation: () => R): Promise<R> {
  const { pool, shared } = checkInstance(instance).origin;
  const {
    size,
    worker,
    least = shared ? LEAST_SHARED : LEAST_MESSAGES,
  } = typeof pool === "number" ? ({ size: pool } as PoolOptions) : pool;
  if (size === 0 || !(work > 0 && work >= least)) return operation();
  if (worker !== undefined && typeof worker !== "function") {
    throw typeFault("options.pool.worker", "a function that makes a worker", worker);
  }
  const follower = (instance.follower ?? new Pool(instance, size, worker)) as Pool;
  return follower.perform(operation);
}
