/**
 * The workers of an instance, and the operations that use them. A pooled operation is the plain one: it checks, places
 * its data and packs as ever, but its products are written down instead of run, and then divided among the workers.
 *
 * With a shared memory (a threaded build) the workers run them where they lie. Otherwise each worker has a memory of
 * its own, holds a part of the columns of every matrix that it has met, and gets the rows of each call in a message.
 *
 * @category Operations on workers
 */
import type { Kernels } from "../core/abi.ts";
import { FreeList } from "../core/arena.ts";
import { typeFault } from "../core/check.ts";
import { type Bytelane, checkInstance, type PoolOptions } from "../core/instance.ts";
import { PRODUCT_BYTES, type ProductField, writeFields } from "../core/product.ts";
import { copyRecord, panelsOf } from "../gemm/product.ts";
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
  WORKSPACE,
  WORKSPACE_AT,
  WORKSPACE_BYTES,
} from "./job-queue.ts";
import {
  COLUMN_FIELDS,
  type Divided,
  dividedOf,
  elementBytes,
  kernelOf,
  rowSpans,
  runs,
  weightSpans,
  workspaceOf,
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

/** What one call has written down: its products, in records that are copies. */
interface Recording {
  readonly products: Divided[];
  readonly openCalls: { end(done: boolean): void }[];
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

  /** Kernels that write products down. */
  #createRecorder(): Kernels {
    const record: Kernels["gemm"] = (product, _first, rows) => {
      const { arena, memory } = this.#instance;
      const copy = arena.allocate(PRODUCT_BYTES);
      copyRecord(this.#instance, product, copy);
      this.#recording!.products.push(dividedOf(memory.words, copy, rows));
    };
    return { ...this.#kernels, gemm: record, gemm_int4: record };
  }

  /** Runs an operation whose last step are products, these on the workers. */
  async perform<R>(operation: () => R): Promise<R> {
    const instance = this.#instance;
    const { arena, scalars } = instance;
    const own = arena.allocate(64);
    const call = ++this.#lastCall;
    this.#calls.add(call);
    const recording: Recording = { products: [], openCalls: [] };
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
      const { products } = recording;
      await (this.#mailbox ? this.#share(products) : this.#distribute(products));
      done = true;
      return result;
    } finally {
      for (const call of recording.openCalls) call.end(done);
      for (const { record } of recording.products) arena.free(record, PRODUCT_BYTES);
      arena.free(own, 64);
      this.#calls.delete(call);
      this.#giveBack();
    }
  }

  /** Quantizes the rows of a product here, where its parts would each do so. */
  #quantizeHere({ record, rows, fields }: Divided): void {
    if (!fields.reals || !fields.lhs) return;
    const { arena, memory } = this.#instance;
    const scratch = arena.allocate(8);
    this.#kernels.quantize_lhs(record, 0, rows, scratch);
    writeFields(memory.words, record, { reals: 0 });
    arena.free(scratch, 8);
  }

  // A shared memory: parts that any worker takes

  async #share(products: readonly Divided[]): Promise<void> {
    const kernels = this.#kernels;
    const parts: number[][][] = [];
    let workspace = 64;
    const share = 4 * this.#size;
    for (const product of products) {
      const { record, rows, fields } = product;
      const kernel = Object.keys(kernels).indexOf(kernelOf(product));
      const panels = panelsOf(fields.n);
      // few rows: each worker reads a part of the weights, instead of all of them
      const byRows = rows >= LEAST_ROWS * this.#size || panels < LEAST_PANELS * this.#size;
      if (byRows) {
        const least = Math.min(LEAST_ROWS, Math.ceil(rows / this.#size / 4) * 4);
        for (const [first, count] of runs(rows, share, 4, least)) {
          parts.push([[kernel, record, first, count, 0, panels, WORKSPACE]]);
          workspace = Math.max(workspace, workspaceOf(kernels, product, count));
        }
      } else {
        this.#quantizeHere(product);
        for (const [first, count] of runs(panels, share, 4, LEAST_PANELS)) {
          parts.push([[kernel, record, 0, rows, first, count, WORKSPACE]]);
        }
        workspace = Math.max(workspace, workspaceOf(kernels, product, rows));
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

  async #distribute(products: readonly Divided[]): Promise<void> {
    while (this.#jobs.size >= SLOTS) await new Promise<void>((turn) => this.#turns.push(turn));
    this.#checkLive();
    const job = this.#published;
    this.#published = (job + 1) | 0;
    const seats = this.#fill();
    const loads = seats.map((seat) => new Load(this.#instance, seat));
    const shares: Share[] = [];
    for (const divided of products) {
      this.#quantizeHere(divided);
      const product = dividedOf(this.#instance.memory.words, divided.record, divided.rows);
      const panels = panelsOf(product.fields.n);
      const length = Math.ceil(panels / seats.length);
      const kernel = Object.keys(this.#kernels).indexOf(kernelOf(product));
      for (const [first, count] of runs(panels, seats.length, 1, length)) {
        const load = loads[first / length];
        shares.push({ product, first, load, read: load.add(product, kernel, first, count) });
      }
    }
    const done = this.#begin(job, seats);
    for (const { seat, order, transfer } of loads) {
      seat.member.post({ ...order, job, size: seat.arena.size } satisfies Order, transfer);
    }
    const results = await done;
    for (const load of loads) load.free();
    for (const share of shares) {
      placeColumns(this.#instance, share, results.get(share.load.seat)![share.read]);
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
  readonly product: Divided;
  readonly first: number;
  readonly load: Load;
  readonly read: number;
}

/** What one worker is sent for a job, and the room that it takes there. */
class Load {
  readonly seat: Seat;
  readonly transfer: ArrayBuffer[] = [];
  readonly #instance: Bytelane;
  readonly #writes: [address: number, bytes: Uint8Array][] = [];
  readonly #calls: number[][] = [];
  readonly #reads: [address: number, bytes: number][] = [];
  readonly #rooms: [address: number, bytes: number][] = [];

  constructor(instance: Bytelane, seat: Seat) {
    this.#instance = instance;
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
    const copy = this.#instance.memory.view("u8", from, bytes).slice();
    this.#writes.push([to, copy]);
    this.transfer.push(copy.buffer);
    return to;
  }

  /** Adds some panels of a product; returns the place of their result among the answers. */
  add(product: Divided, kernel: number, first: number, count: number): number {
    const { seat } = this;
    const { rows } = product;
    const fields: Record<ProductField, number> = { ...product.fields };
    const columns = Math.min(count * 8, fields.n - first * 8);
    const { kernels } = this.#instance;
    for (const { field, step } of weightSpans(kernels, product)) {
      if (!fields[field]) continue;
      const size = step * count;
      const key = fields[field];
      let [to] = seat.held.get(key) ?? [];
      if (to === undefined) {
        to = this.#write(seat.arena.allocate(size), key + first * step, size);
        seat.held.set(key, [to, size]);
      }
      fields[field] = to;
    }
    for (const field of COLUMN_FIELDS) {
      const from = fields[field];
      if (!from) continue;
      // the kernel reads whole panels
      fields[field] = this.#write(this.#room(count * 32), from + first * 32, columns * 4);
    }
    for (const { field, step, bytes } of rowSpans(product)) {
      if (!fields[field] || rows === 0) continue;
      const size = step * (rows - 1) + bytes;
      fields[field] = this.#write(this.#room(size), fields[field], size);
    }
    fields.n = columns;
    fields.dstStride = columns * elementBytes(product);
    const bytes = rows * fields.dstStride;
    fields.dst = this.#room(bytes);
    const record = this.#room(PRODUCT_BYTES);
    const image = new Uint8Array(PRODUCT_BYTES);
    writeFields(new DataView(image.buffer), 0, fields);
    this.#writes.push([record, image]);
    const workspace = this.#room(workspaceOf(kernels, product, rows));
    this.#calls.push([kernel, record, 0, rows, 0, count, workspace]);
    this.#reads.push([fields.dst, bytes]);
    return this.#reads.length - 1;
  }

  free(): void {
    for (const [address, bytes] of this.#rooms) this.seat.arena.free(address, bytes);
  }
}

/** Lays the columns of a share into the rows of the result: word by word, since a copy for each row would cost more. */
function placeColumns({ memory }: Bytelane, { product, first }: Share, columns: Uint8Array): void {
  const { fields, rows } = product;
  if (rows === 0) return;
  const stride = fields.dstStride;
  const width = columns.length / rows;
  const start = fields.dst + first * 8 * elementBytes(product);
  const length = stride * (rows - 1) + width;
  if ((start | stride | width) % 4 !== 0) {
    const out = memory.view("u8", start, length);
    for (let i = 0; i < rows; i++) {
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
