/**
 * The code of a worker. It has a module and a memory, and runs one task per message.
 *
 * @category Operations on workers
 */

import { isSuperblock } from "../core/product.ts";
import type { KernelCall } from "../search/layout.ts";

/** The first message: the module of the instance, and its memory where that is a shared one. */
export interface Start {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory | undefined;
}

/** A part of a product: the address of its record, and rows and panels. */
export type Piece = readonly [
  record: number,
  firstRow: number,
  rows: number,
  firstPanel: number,
  panels: number,
];

/** Every later message. */
export interface WorkerTask {
  /** Number of the job that the task is a part of. It comes back in the answer. */
  readonly job: number;
  readonly pieces: readonly Piece[];
  /** Calls in groups, instead of pieces: a worker makes those of a group one after the other. */
  readonly calls?: readonly (readonly KernelCall[])[];
  /** Modules beside the main one, each with the first task after it was opened. */
  readonly modules: readonly WebAssembly.Module[];
  /** Address of the worker's scratch memory for any of the pieces. */
  readonly workspace: number;
  /**
   * On a shared memory all workers get all pieces: this is the address of the number of the next
   * one, which they count up. 0 on a memory of the worker's own, where all pieces are its own.
   */
  readonly next: number;
  /** Bytes that a memory of the worker's own must have. */
  readonly size: number;
  /** Bytes that are copied into the memory before the task, and read from it afterwards. */
  readonly writes: readonly (readonly [address: number, bytes: Uint8Array])[];
  readonly reads: readonly (readonly [address: number, bytes: number])[];
}

/** The answer to a task: one array per read. Their buffers are transferred. */
export interface Answer {
  readonly job: number;
  readonly results: readonly Uint8Array<ArrayBuffer>[];
}

interface Exports {
  readonly memory: WebAssembly.Memory;
  multiply(...piece: number[]): void;
  multiply_superblocks?(...piece: number[]): void;
}

interface Port {
  listen(receive: (message: unknown) => void): void;
  post(message: Answer, transfer: ArrayBuffer[]): void;
}

/** The two kinds of worker: a web worker, and one of Node. */
function openPort(): Port {
  const scope = globalThis as unknown as {
    postMessage?: (message: unknown, transfer?: ArrayBuffer[]) => void;
    addEventListener(kind: string, listener: (event: { data: unknown }) => void): void;
  };
  if (typeof scope.postMessage === "function") {
    return {
      listen: (receive) => scope.addEventListener("message", ({ data }) => receive(data)),
      post: (message, transfer) => scope.postMessage?.(message, transfer),
    };
  }
  const { parentPort } = globalThis.process.getBuiltinModule("worker_threads");
  if (!parentPort) throw new TypeError('"serve" expected to run in a worker, got a main thread');
  return {
    listen: (receive) => parentPort.on("message", receive),
    post: (message, transfer) => parentPort.postMessage(message, transfer),
  };
}

/**
 * Serves an instance. The module of a worker has to call nothing else. A task that fails ends the
 * worker, since the state of its memory is unknown.
 */
export function serve(): void {
  const port = openPort();
  let exports: Exports | undefined;
  let hasFailed = false;
  port.listen((message) => {
    // a web worker runs on after an error, but the memory of later tasks is freed by then
    if (hasFailed) return;
    hasFailed = true;
    if (exports) {
      const answer = run(exports, message as WorkerTask);
      port.post(
        answer,
        answer.results.map(({ buffer }) => buffer),
      );
    } else exports = start(message as Start);
    hasFailed = false;
  });
}

function start({ module, memory }: Start): Exports {
  const { exports } = new WebAssembly.Instance(module, memory ? { env: { memory } } : {});
  return { ...exports, memory: memory ?? exports.memory } as unknown as Exports;
}

function run(exports: Exports, task: WorkerTask): Answer {
  const { memory, multiply } = exports;
  const { job, pieces, calls, workspace, next, size, writes, reads, modules } = task;
  for (const module of modules) {
    Object.assign(exports, new WebAssembly.Instance(module, { env: { memory } }).exports);
  }
  const missing = size - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / 65536));
  const bytes = new Uint8Array(memory.buffer);
  for (const [address, values] of writes) bytes.set(values, address);
  const words = new DataView(memory.buffer);
  const counter = next ? new Int32Array(memory.buffer, next, 1) : new Int32Array(1);
  for (;;) {
    const i = Atomics.add(counter, 0, 1);
    if (i >= (calls ?? pieces).length) break;
    if (calls) {
      for (const [kernel, ...numbers] of calls[i]) exports[kernel as "multiply"](...numbers);
      continue;
    }
    const [record] = pieces[i];
    if (isSuperblock(words, record)) exports.multiply_superblocks!(...pieces[i], workspace);
    else multiply(...pieces[i], workspace);
  }
  return { job, results: reads.map(([address, length]) => bytes.slice(address, address + length)) };
}
