/**
 * Finds the row of an id: an open-addressing hash table of rows. The ids are in the index itself.
 */
import type { Storage } from "./storage.ts";

const LEAST = 64;

export class IdMap {
  readonly #storage: Storage;
  /** Row + 1 per slot, 0 for an empty slot. Undefined while the id of every row is its number. */
  #table: Int32Array | undefined;
  #next = 0;

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  /** True while row r has id r. */
  get areRows(): boolean {
    return this.#table === undefined;
  }

  /** An id greater than all earlier ones. */
  get next(): number {
    return this.#next;
  }

  /** The row of an id, or −1. */
  rowOf(id: number): number {
    const table = this.#table;
    if (!table) return Number.isInteger(id) && id >= 0 && id < this.#storage.count ? id : -1;
    for (let at = this.#placeOf(id); table[at] !== 0; at = (at + 1) & (table.length - 1)) {
      if (this.#storage.idAt(table[at] - 1) === id) return table[at] - 1;
    }
    return -1;
  }

  /** Adds rows that were appended. Their ids are written already. */
  append(first: number, rows: number): void {
    const { count } = this.#storage;
    this.#storage.eachId(first, rows, (id, row) => {
      this.#next = Math.max(this.#next, id + 1);
      if (!this.#table && id !== row) this.#rebuild(row);
      if (!this.#table) return;
      if (2 * (row + 1) > this.#table.length) this.#rebuild(row);
      this.#insert(row);
    });
    if (count === 0) this.#table = undefined;
  }

  /** Removes the id of a row that is about to be removed. The last row gets its number. */
  remove(row: number): void {
    const last = this.#storage.count - 1;
    if (!this.#table) {
      if (row === last) return;
      this.#rebuild(last + 1);
    }
    this.#delete(row);
    if (row === last) return;
    // the last row keeps its id, but gets another number
    const table = this.#table as unknown as Int32Array;
    let at = this.#placeOf(this.#storage.idAt(last));
    while (table[at] !== last + 1) at = (at + 1) & (table.length - 1);
    table[at] = row + 1;
  }

  /** Builds the table again, for rows [0, rows). */
  #rebuild(rows: number): void {
    this.#table = new Int32Array(Math.max(LEAST, 2 ** Math.ceil(Math.log2(rows + 1) + 1.5)));
    for (let row = 0; row < rows; row++) this.#insert(row);
  }

  #insert(row: number): void {
    const table = this.#table as Int32Array;
    let at = this.#placeOf(this.#storage.idAt(row));
    while (table[at] !== 0) at = (at + 1) & (table.length - 1);
    table[at] = row + 1;
  }

  /** Removes an entry and closes the gap. */
  #delete(row: number): void {
    const table = this.#table as Int32Array;
    const mask = table.length - 1;
    let gap = this.#placeOf(this.#storage.idAt(row));
    while (table[gap] !== row + 1) gap = (gap + 1) & mask;
    for (let at = (gap + 1) & mask; table[at] !== 0; at = (at + 1) & mask) {
      const home = this.#placeOf(this.#storage.idAt(table[at] - 1));
      if (((at - home) & mask) < ((at - gap) & mask)) continue;
      table[gap] = table[at];
      gap = at;
    }
    table[gap] = 0;
  }

  /** The first slot for an id: Fibonacci hashing of both halves. */
  #placeOf(id: number): number {
    const high = Math.floor(id / 2 ** 32);
    // ^ takes the low half of the id
    const mixed = Math.imul(id ^ Math.imul(high, 0x85ebca6b), 0x9e3779b1);
    return (mixed ^ (mixed >>> 15)) & ((this.#table as Int32Array).length - 1);
  }
}
