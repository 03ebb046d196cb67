/**
 * Workers with memories of their own. A worker holds a copy of its share of the columns of all
 * weights that it was sent. A call sends it the rows, and it answers with its columns of the
 * result.
 */
import type { Bytelane } from "../core/instance.ts";
import { PRODUCT_BYTES, type ProductField, writeFields } from "../core/product.ts";
import { panelsOf, workspaceOf } from "../gemm/product.ts";
import type { Copies, Crew, Division, HeldCopies, Order, PoolWorker } from "./job.ts";
import {
  COLUMN_FIELDS,
  type Divided,
  elementBytes,
  quantizeHere,
  rowSpans,
  runs,
  weightSpans,
} from "./split.ts";
import type { Piece } from "./worker.ts";

type Fields = Record<ProductField, number>;

/**
 * The panels of a product that a worker computes, and the index of the result among its answers.
 */
interface Share {
  readonly product: Divided;
  readonly firstPanel: number;
  readonly worker: PoolWorker;
  readonly read: number;
}

/** Builds the task of one worker, and allocates in the worker's memory. */
class OrderBuilder {
  readonly worker: PoolWorker;
  readonly #held: HeldCopies;
  readonly #instance: Bytelane;
  readonly #writes: [address: number, bytes: Uint8Array][] = [];
  readonly #reads: [address: number, bytes: number][] = [];
  readonly #pieces: Piece[] = [];
  readonly #transfer: ArrayBuffer[] = [];
  readonly #scratch: (readonly [address: number, bytes: number])[] = [];
  /** Copies of weights that this order brings. */
  readonly #copies: HeldCopies = new Map();
  #workspace = 32;
  #isSent = false;

  constructor(instance: Bytelane, worker: PoolWorker, held: HeldCopies) {
    this.#instance = instance;
    this.worker = worker;
    this.#held = held;
    for (const [weights, copies] of held) {
      if (!weights.disposed) continue;
      held.delete(weights);
      freeCopies(worker, copies);
    }
  }

  #allocate(bytes: number): number {
    const address = this.worker.arena.allocate(bytes);
    this.#scratch.push([address, bytes]);
    return address;
  }

  /** Adds a copy of bytes of the instance's memory to an address of the worker's memory. */
  #write(to: number, from: number, bytes: number): number {
    const copy = this.#instance.heap.view("u8", from, bytes).slice();
    this.#writes.push([to, copy]);
    this.#transfer.push(copy.buffer);
    return to;
  }

  /** The fields of the weights, for panels that the worker holds already or is sent now. */
  #addWeights(product: Divided, fields: Fields, firstPanel: number, panels: number): void {
    const { weights } = product;
    const { worker } = this;
    let copies = weights && (this.#copies.get(weights) ?? this.#held.get(weights));
    if (copies && (copies.firstPanel !== firstPanel || copies.panels !== panels)) {
      // these copies are of another division, made for another number of workers
      if (this.#held.get(weights!) === copies) {
        this.#held.delete(weights!);
        freeCopies(worker, copies);
      }
      copies = undefined;
    }
    const isNew = copies === undefined;
    copies ??= { firstPanel, panels, arrays: new Map() };
    for (const { field, step } of weightSpans(this.#instance.kernels, product)) {
      if (!fields[field]) continue;
      if (isNew) {
        const bytes = step * panels;
        const to = weights ? worker.arena.allocate(bytes) : this.#allocate(bytes);
        copies.arrays.set(field, [to, bytes]);
        this.#write(to, fields[field] + firstPanel * step, bytes);
      }
      [fields[field]] = copies.arrays.get(field)!;
    }
    if (isNew && weights) this.#copies.set(weights, copies);
  }

  /** Adds some panels of a product; returns the place of their result among the answers. */
  add(product: Divided, firstPanel: number, panels: number): number {
    const { rows } = product;
    const fields: Fields = { ...product.fields };
    const columns = Math.min(panels * 8, fields.n - firstPanel * 8);
    this.#addWeights(product, fields, firstPanel, panels);
    for (const field of COLUMN_FIELDS) {
      const from = fields[field];
      // the kernel reads whole panels
      if (from) {
        const to = this.#allocate(panels * 32);
        fields[field] = this.#write(to, from + firstPanel * 32, columns * 4);
      }
    }
    for (const { field, step, bytes } of rowSpans(product)) {
      if (!fields[field]) continue;
      const size = step * (rows - 1) + bytes;
      fields[field] = this.#write(this.#allocate(size), fields[field], size);
    }
    fields.n = columns;
    fields.dstStride = columns * elementBytes(product);
    const bytes = rows * fields.dstStride;
    fields.dst = this.#allocate(bytes);
    const record = this.#allocate(PRODUCT_BYTES);
    const image = new Uint8Array(PRODUCT_BYTES);
    writeFields(new DataView(image.buffer), 0, fields);
    this.#writes.push([record, image]);
    this.#workspace = Math.max(this.#workspace, workspaceOf(this.#instance, product.record, rows));
    this.#pieces.push([record, 0, rows, 0, panels]);
    this.#reads.push([fields.dst, bytes]);
    return this.#reads.length - 1;
  }

  build(): Order {
    const workspace = this.#allocate(this.#workspace);
    return {
      worker: this.worker,
      task: {
        ...{ pieces: this.#pieces, workspace, next: 0, size: this.worker.arena.size },
        ...{ writes: this.#writes, reads: this.#reads },
      },
      transfer: this.#transfer,
      sent: () => {
        // from here on the worker has the copies
        this.#isSent = true;
        for (const [weights, copies] of this.#copies) this.#held.set(weights, copies);
      },
    };
  }

  free(): void {
    for (const [address, bytes] of this.#scratch) this.worker.arena.free(address, bytes);
    if (this.#isSent) return;
    for (const copies of this.#copies.values()) freeCopies(this.worker, copies);
  }
}

function freeCopies({ arena }: PoolWorker, { arrays }: Copies): void {
  for (const [address, bytes] of arrays.values()) arena.free(address, bytes);
}

export function divideOwn(instance: Bytelane, crew: Crew, products: readonly Divided[]): Division {
  const builders = [...crew].map(([worker, held]) => new OrderBuilder(instance, worker, held));
  const free = (): void => {
    for (const builder of builders) builder.free();
  };
  try {
    const shares: Share[] = [];
    for (const given of products) {
      if (given.rows === 0) continue;
      const product = quantizeHere(instance, given);
      const panels = panelsOf(product.fields.n);
      const length = Math.ceil(panels / crew.size);
      for (const [firstPanel, count] of runs(panels, crew.size, 1, length)) {
        const builder = builders[firstPanel / length];
        const read = builder.add(product, firstPanel, count);
        shares.push({ product, firstPanel, worker: builder.worker, read });
      }
    }
    const used = new Set(shares.map(({ worker }) => worker));
    const orders = builders.filter(({ worker }) => used.has(worker)).map((each) => each.build());
    return {
      orders,
      place: (answers) => {
        for (const share of shares) {
          placeColumns(instance, share, answers.get(share.worker)!.results[share.read]);
        }
      },
      free,
    };
  } catch (fault) {
    free();
    throw fault;
  }
}

/**
 * Copies columns into the rows of the result, one 32-bit word at a time: a call of `set` per row
 * costs more.
 */
function placeColumns({ heap }: Bytelane, share: Share, columns: Uint8Array): void {
  const { product, firstPanel } = share;
  const { fields, rows } = product;
  const stride = fields.dstStride;
  const width = columns.length / rows;
  const start = fields.dst + firstPanel * 8 * elementBytes(product);
  const length = stride * (rows - 1) + width;
  if ((start | stride | width) % 4 !== 0) {
    const out = heap.view("u8", start, length);
    for (let i = 0; i < rows; i++) {
      out.set(columns.subarray(i * width, (i + 1) * width), i * stride);
    }
    return;
  }
  const out = heap.view("i32", start, length / 4);
  const { buffer, byteOffset } = columns;
  const words = new Int32Array(buffer as ArrayBuffer, byteOffset, columns.length / 4);
  for (let at = 0, from = 0; from < words.length; at += stride / 4) {
    for (let i = at; i < at + width / 4; i++) out[i] = words[from++];
  }
}
