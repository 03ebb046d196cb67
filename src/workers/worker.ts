/**
 * What runs in a worker of a pool. It holds no state but an instance, and does as it is told.
 *
 * @category Operations on workers
 */
import {
  CALL_COUNT,
  NEXT,
  NOTHING,
  PART_COUNT,
  PUBLISHED,
  ROW,
  STOP,
  slotOf,
  tableOf,
  viewMailbox,
  WORKSPACE_AT,
  WORKSPACE_BYTES,
} from "./job-queue.ts";

/** The first message. */
export interface Start {
  /** The module of the pool's instance. */
  readonly module: WebAssembly.Module;
  /** Of a threaded build. */
  readonly shared: Shared | undefined;
}

/**
 * What a worker on the instance's own memory needs: it takes parts of jobs from the mailbox, and
 * posts no more than the number of each job that it has done.
 */
export interface Shared {
  /** The instance's memory, a shared one. */
  readonly memory: WebAssembly.Memory;
  /** Where jobs are published and their parts are counted off. */
  readonly mailbox: SharedArrayBuffer;
  /** Which of the workspaces is this worker's. */
  readonly index: number;
  /** The first job that counts on this worker. */
  readonly job: number;
}

/** Work in a worker's own memory, whose blocks the pool gives out. */
export interface Order {
  /** Its number, which comes back in the answer. */
  readonly job: number;
  /** Bytes that the memory must have. */
  readonly size: number;
  /** What to copy in before the calls. */
  readonly writes: readonly (readonly [address: number, bytes: Uint8Array])[];
  /** The number of an export, in the order of the module's, and its arguments. */
  readonly calls: readonly (readonly number[])[];
  /** What to copy out after them. */
  readonly reads: readonly (readonly [address: number, bytes: number])[];
}

/** What came of an order. Its buffers are transferred. */
export interface Answer {
  /** Number of the order. */
  readonly job: number;
  /** One a read, in their order. */
  readonly results: readonly Uint8Array<ArrayBuffer>[];
}

interface Port {
  listen(receive: (message: unknown) => void): void;
  post(message: unknown, transfer?: ArrayBuffer[]): void;
}

type Kernel = (...values: number[]) => number | undefined;

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

/** Serves a pool from now on. It is all that the module of a worker has to call. */
export function serve(): void {
  const port = openPort();
  let obey: ((order: Order) => void) | undefined;
  port.listen((message) => {
    if (obey) obey(message as Order);
    else obey = start(message as Start, port);
  });
}

function start({ module, shared }: Start, port: Port): (order: Order) => void {
  const imports = shared ? { env: { memory: shared.memory } } : {};
  const { exports } = new WebAssembly.Instance(module, imports);
  const kernels = Object.values(exports) as unknown as Kernel[];
  if (shared) takeParts(kernels, shared, port);
  return (order) => follow(order, exports.memory as WebAssembly.Memory, kernels, port);
}

/** Waits for jobs and takes part in them, until the pool says stop. */
function takeParts(kernels: readonly Kernel[], shared: Shared, port: Port): void {
  const { words, rows } = viewMailbox(shared.mailbox);
  for (let job = shared.job; ; job = (job + 1) | 0) {
    Atomics.wait(words, PUBLISHED, job);
    if (Atomics.load(words, STOP) !== 0) return;
    const slot = slotOf(job);
    const parts = words[slot + PART_COUNT];
    const calls = words[slot + CALL_COUNT];
    // an address fills all of its word
    const first = words[slot + WORKSPACE_AT] >>> 0;
    const workspace = first + shared.index * words[slot + WORKSPACE_BYTES];
    for (;;) {
      const part = Atomics.add(words, slot + NEXT, 1);
      if (part >= parts) break;
      for (let call = 0; call < calls; call++) {
        const at = tableOf(job) + (part * calls + call) * ROW;
        const [kernel, ...values] = rows.subarray(at, at + ROW);
        if (kernel === NOTHING) continue;
        // NaN stands for the worker's own workspace
        kernels[kernel](...values.map((value) => (Number.isNaN(value) ? workspace : value)));
      }
    }
    port.post(job);
  }
}

function follow(
  order: Order,
  memory: WebAssembly.Memory,
  kernels: readonly Kernel[],
  port: Port,
): void {
  const missing = order.size - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / 65536));
  const bytes = new Uint8Array(memory.buffer);
  for (const [address, values] of order.writes) bytes.set(values, address);
  for (const [kernel, ...values] of order.calls) kernels[kernel](...values);
  const results = order.reads.map(([address, length]) => bytes.slice(address, address + length));
  const answer: Answer = { job: order.job, results };
  port.post(
    answer,
    results.map(({ buffer }) => buffer),
  );
}
