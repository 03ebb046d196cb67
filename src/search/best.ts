/** Collects the k best of a sequence of scores. Among equal scores the lower id is better. */
export class Best {
  readonly #k: number;
  readonly #scores: number[] = [];
  readonly #ids: number[] = [];

  constructor(k: number) {
    this.#k = k;
  }

  /** The least score that can still enter. */
  get least(): number {
    return this.#ids.length < this.#k ? Number.NEGATIVE_INFINITY : this.#scores[0];
  }

  offer(id: number, score: number): void {
    const ids = this.#ids;
    const scores = this.#scores;
    if (ids.length === this.#k) {
      if (this.#isWorse(0, id, score)) this.#sink(id, score);
      return;
    }
    let at = ids.length;
    for (let parent = (at - 1) >> 1; at > 0 && !this.#isWorse(parent, id, score); ) {
      ids[at] = ids[parent];
      scores[at] = scores[parent];
      at = parent;
      parent = (at - 1) >> 1;
    }
    ids[at] = id;
    scores[at] = score;
  }

  /** All collected entries, best first. */
  ordered(): { ids: Float64Array; scores: Float32Array } {
    const order = this.#ids.map((_, i) => i);
    order.sort((a, b) => this.#scores[b] - this.#scores[a] || this.#ids[a] - this.#ids[b]);
    return {
      ids: Float64Array.from(order, (i) => this.#ids[i]),
      scores: Float32Array.from(order, (i) => this.#scores[i]),
    };
  }

  /** Whether an entry is worse than another id with its score. */
  #isWorse(entry: number, id: number, score: number): boolean {
    const own = this.#scores[entry];
    return own < score || (own === score && this.#ids[entry] > id);
  }

  /** Replaces the worst entry, the root of a heap. */
  #sink(id: number, score: number): void {
    const ids = this.#ids;
    const scores = this.#scores;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= ids.length) break;
      const next = child + 1;
      if (next < ids.length && this.#isWorse(next, ids[child], scores[child])) child = next;
      if (!this.#isWorse(child, id, score)) break;
      ids[at] = ids[child];
      scores[at] = scores[child];
      at = child;
    }
    ids[at] = id;
    scores[at] = score;
  }
}
