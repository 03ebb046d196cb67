/**
 * Exact order statistics: the i-th smallest and the i-th largest number. Only i numbers per end are
 * stored.
 */

import type { Call } from "../core/call.ts";
import { rangeFault } from "../core/check.ts";
import type { Bytelane } from "../core/instance.ts";
import { type BatchPiece, type ChannelRange, type Common, Observer } from "./observer.ts";
import { checkList, checkReal, type Fields } from "./saved-state.ts";

/**
 * The extreme numbers of one channel: two lists of at most `rank` numbers, the most extreme first.
 */
interface Tails {
  least: Float32Array;
  greatest: Float32Array;
}

function nothing(): Tails {
  return { least: new Float32Array(0), greatest: new Float32Array(0) };
}

/** The first `rank` of both lists together, by rising or falling value. */
function joined(
  known: Float32Array,
  more: ArrayLike<number>,
  rank: number,
  falling: boolean,
): Float32Array {
  const all = new Float32Array(known.length + more.length);
  all.set(known);
  all.set(more, known.length);
  all.sort();
  if (falling) all.reverse();
  return all.slice(0, rank);
}

export class OrderObserver extends Observer {
  readonly #rank: number;
  #tails: Tails[] = [];

  constructor(instance: Bytelane, common: Common, rank: number) {
    super(instance, { method: "order", ...common, rank });
    this.#rank = rank;
  }

  protected begin(_call: Call, channels: number): void {
    if (this.#tails.length !== channels) this.#tails = Array.from({ length: channels }, nothing);
  }

  protected take({ address, length, outer, channels, inner, lows, highs }: BatchPiece): void {
    const rank = this.#rank;
    const values = this.instance.heap.view("f32", address, length);
    for (let c = 0; c < channels; c++) {
      const tails = this.#tails[c];
      // a number must be below or above these to enter; a piece without such a number is skipped
      const below = tails.least.length < rank ? Number.POSITIVE_INFINITY : tails.least[rank - 1];
      const above =
        tails.greatest.length < rank ? Number.NEGATIVE_INFINITY : tails.greatest[rank - 1];
      if (!(lows[c] < below || highs[c] > above)) continue;
      const least: number[] = [];
      const greatest: number[] = [];
      for (let o = 0; o < outer; o++) {
        const start = (o * channels + c) * inner;
        for (let i = start; i < start + inner; i++) {
          const x = values[i] + 0; // −0 is 0
          if (x < below) least.push(x);
          if (x > above) greatest.push(x);
        }
      }
      tails.least = joined(tails.least, least, rank, false);
      tails.greatest = joined(tails.greatest, greatest, rank, true);
    }
  }

  protected channelRange(channel: number): ChannelRange {
    const tails = this.#tails[channel];
    if (!tails?.least.length) throw this.emptyChannel(channel);
    const rank = this.#rank;
    const min = tails.least[rank - 1];
    const max = tails.greatest[rank - 1];
    // fewer than rank numbers leave an end undefined
    if (!(min <= max)) {
      throw new RangeError(
        `"observer" expected at least ${2 * rank - 1} numbers in channel ${channel} for rank ${rank}, got fewer`,
      );
    }
    return { min, max };
  }

  protected join(other: this): void {
    const rank = this.#rank;
    if (this.#tails.length === 0) this.#tails = other.#tails.map(nothing);
    other.#tails.forEach(({ least, greatest }, c) => {
      const tails = this.#tails[c];
      tails.least = joined(tails.least, least, rank, false);
      tails.greatest = joined(tails.greatest, greatest, rank, true);
    });
  }

  protected saveChannel(channel: number): Fields | null {
    const { least, greatest } = this.#tails[channel];
    return least.length ? { least: [...least], greatest: [...greatest] } : null;
  }

  protected restoreChannel(argument: string, _channel: number, state: Fields | null): number {
    if (!state) {
      this.#tails.push(nothing());
      return 0;
    }
    const least = checkList(`${argument}.least`, state.least, checkReal);
    const greatest = checkList(`${argument}.greatest`, state.greatest, checkReal);
    const { length } = least;
    if (length === 0 || length > this.#rank || greatest.length !== length) {
      const wanted = `two lists of one length in [1, ${this.#rank}]`;
      throw rangeFault(argument, wanted, [length, greatest.length]);
    }
    for (let i = 1; i < length; i++) {
      if (least[i] < least[i - 1] || greatest[i] > greatest[i - 1]) {
        throw rangeFault(argument, "least rising and greatest falling", [least[i], greatest[i]]);
      }
    }
    if (least[0] > greatest[0]) {
      throw rangeFault(argument, "least below greatest", [least[0], greatest[0]]);
    }
    this.#tails.push({ least: Float32Array.from(least), greatest: Float32Array.from(greatest) });
    return length;
  }
}
