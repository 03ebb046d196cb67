/**
 * The base class of observers: it observes data batch by batch, proposes a clipping range, can
 * merge with another observer and can be saved.
 *
 * @category Observers
 */

import { calibrationKernels } from "../builds/calibration-kernels.ts";
import { type Call, elementsOf, inCall, operand, type Reals } from "../core/call.ts";
import { checkInteger, checkObject, checkOptions, rangeFault, typeFault } from "../core/check.ts";
import type { OwnElements } from "../core/dtype.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { shapeOf } from "../elementwise/quantize.ts";
import { type Extent, extentOf } from "../params/channels.ts";
import { chooseParams, type DTypeOf, type Params } from "../params/params.ts";
import { checkScheme, type Scheme, type SchemeOptions } from "../params/scheme.ts";
import { FeatureMeans } from "./feature-means.ts";

/** A clipping range: numbers per tensor, arrays per channel. */
export interface ObservedRange<S extends number | Float32Array = number | Float32Array> {
  /** Lower ends. `params` widens the range to contain 0, this one is not widened. */
  readonly min: S;
  /** Upper ends. */
  readonly max: S;
}

/** The range of one channel. */
export interface ChannelRange {
  /** The lower end; for a histogram the least number in it. */
  readonly min: number;
  /** The upper end; for a histogram the greatest number in it. */
  readonly max: number;
}

/** A part of a batch that fits the cache: its values are in memory, and none is infinite. */
export interface BatchPiece extends Extent {
  readonly address: number;
  readonly length: number;
  /**
   * The least and the greatest number of each channel; Infinity and −Infinity where there is none.
   */
  readonly lows: Float32Array;
  readonly highs: Float32Array;
}

/** The settings of an observer, as plain data. They must agree when two observers are merged. */
export type ObserverSettings = Common & { readonly method: string } & Readonly<
    Record<string, unknown>
  >;

/** Settings that all methods have. */
export interface Common {
  readonly axis?: number;
  readonly features?: number;
}

/** A saved observer: plain data for JSON. */
export interface ObserverState {
  /** Identifies the format among other JSON. */
  readonly format: typeof FORMAT;
  /** `loadObserver` refuses other versions. */
  readonly version: typeof VERSION;
  /** The settings of the observer, including defaults. */
  readonly settings: ObserverSettings;
  /** How many numbers were observed. */
  readonly observed: number;
  /** How many values were skipped since they were not finite. */
  readonly skipped: number;
  /** One entry per channel; null where no number was seen. */
  readonly channels: readonly (Readonly<Record<string, unknown>> | null)[];
  /** Sums of the features, of an observer with `features`. */
  readonly sums?: readonly number[];
}

export const FORMAT = "bytelane-observer";
export const VERSION = 1;

/** Most elements of a piece, 256 KiB: they are read three times and should fit the cache. */
const PIECE = 65536;

/**
 * Observes data and proposes a clipping range. Made by `createObserver`, restored by
 * `loadObserver`.
 */
export abstract class Observer<S extends number | Float32Array = number | Float32Array> {
  /** @internal */ readonly instance: Bytelane;
  /** @internal */ readonly settings: ObserverSettings;
  /**
   * True if `take` skips NaN itself and returns how many it skipped, which saves a pass over the
   * data.
   */
  protected readonly skipsItself: boolean = false;
  readonly #means: FeatureMeans | undefined;
  #channels: number | undefined;
  #observed = 0;
  #skipped = 0;

  /** @internal */
  constructor(instance: Bytelane, settings: ObserverSettings) {
    this.instance = instance;
    this.settings = settings;
    const { features } = settings;
    this.#means = features === undefined ? undefined : new FeatureMeans(features);
  }

  /** The name of the method, as in the options. */
  get method(): string {
    return this.settings.method;
  }

  /** How many numbers were seen. */
  get observed(): number {
    return this.#observed;
  }

  /** How many values were skipped: NaN, Infinity and −Infinity. */
  get skipped(): number {
    return this.#skipped;
  }

  /** Number of channels: 1 per tensor; per channel undefined before the first data. */
  get channels(): number | undefined {
    return this.settings.axis === undefined ? 1 : this.#channels;
  }

  /**
   * Means of the features over the rows seen, for bias correction; 0 where there were none. Values
   * that are not finite count as 0. A copy.
   *
   * Errors: an observer that was made without `features`.
   */
  get mean(): OwnElements["f32"] {
    if (!this.#means) {
      throw new TypeError('"observer" expected the option features when it was made, got none');
    }
    return this.#means.over((this.#observed + this.#skipped) / this.#means.features);
  }

  /**
   * Observes one batch. NaN, Infinity and −Infinity are skipped and counted. Per channel, `shape`
   * says how plain data are laid out.
   *
   * Errors: data without the shape that an axis needs, data that are not whole rows of `features`.
   */
  observe(data: Reals, options: { readonly shape?: readonly number[] } = {}): this {
    const instance = checkInstance(this.instance);
    const source = operand(instance, "data", data, ["f32"]);
    const { axis, features = 1 } = this.settings;
    checkOptions("options", options, ["shape"]);
    const { shape } = options;
    if (axis !== undefined && shape === undefined && source.shape === undefined) {
      throw typeFault(
        "options.shape",
        "the dimensions of plain data, since there is an axis",
        shape,
      );
    }
    if (source.length % features !== 0) {
      throw rangeFault("data", `rows of ${features} elements`, data);
    }
    const extent = extentOf("axis", shapeOf(source, shape), axis);
    this.#checkChannels("data", extent.channels);
    if (source.length === 0) return this;
    inCall(instance, (call) => {
      const { channels } = extent;
      const { kernels, heap } = instance;
      const most = pieceLength(extent);
      const room = call.scratch(most * 4);
      const extremes = call.scratch(channels * 8);
      this.begin(call, channels, source.length);
      for (let start = 0; start < source.length; start += most) {
        const length = Math.min(most, source.length - start);
        let address = room;
        // in a shared memory another thread may write, so the piece is copied: its extremes and its
        // counts must be of the same values
        if (source.address >= 0 && !instance.origin.shared) address = source.address + start * 4;
        else {
          const values = elementsOf(instance, source).subarray(start, start + length);
          heap.view("f32", room, length).set(values);
        }
        const outer = channels === 1 ? 1 : length / (channels * extent.inner);
        const inner = channels === 1 ? length : extent.inner;
        const lows = heap.view("f32", extremes, channels);
        const highs = heap.view("f32", extremes + channels * 4, channels);
        kernels.min_max_f32(address, outer, channels, inner, extremes, extremes + channels * 4);
        const isInfinite = lows.includes(-Infinity) || highs.includes(Infinity);
        if (isInfinite || !this.skipsItself) {
          const gaps = calibrationKernels(instance).mask_non_finite_f32(address, room, length);
          if (!this.skipsItself) this.skip(gaps);
        }
        if (isInfinite) {
          address = room;
          kernels.min_max_f32(address, outer, channels, inner, extremes, extremes + channels * 4);
        }
        this.#observed += length;
        this.take({ address, length, outer, channels, inner, lows, highs });
      }
      this.end();
      this.#means?.add(elementsOf(instance, source));
      this.#channels = channels;
    });
    return this;
  }

  /**
   * The clipping range so far. For methods that measure the quantization error ("mse", "entropy")
   * or both tails ("percentile"), it depends on the scheme. Throws while a channel has seen no
   * number.
   */
  range(scheme: SchemeOptions = {}): ObservedRange<S> {
    return this.#range(checkScheme(scheme)) as ObservedRange<S>;
  }

  /**
   * Scale and zero point of the range for a scheme; with `features` also their means. As the
   * `activations` of a layer they make it static and correct its bias.
   */
  params<const O extends SchemeOptions = SchemeOptions<"i8">>(options?: O): Params<S, DTypeOf<O>>;
  params(options: SchemeOptions = {}): Params {
    const range = this.#range(checkScheme(options));
    const { axis } = this.settings;
    const params = chooseParams(range, axis === undefined ? options : { axis, ...options });
    return this.#means ? { ...params, mean: this.mean } : params;
  }

  #range(scheme: Scheme): ObservedRange {
    const channels = this.channels;
    if (channels === undefined) throw new RangeError('"observer" expected numbers, got none yet');
    const min = new Float32Array(channels);
    const max = new Float32Array(channels);
    for (let c = 0; c < channels; c++) {
      const range = this.channelRange(c, scheme);
      min[c] = range.min;
      max[c] = range.max;
    }
    return this.settings.axis === undefined ? { min: min[0], max: max[0] } : { min, max };
  }

  /**
   * Adds the data of another observer with the same settings, which stays unchanged. The result is
   * the same as if this observer had observed the other's data after its own.
   */
  merge(other: Observer): this {
    if (!(other instanceof Observer)) throw typeFault("other", "an observer", other);
    const [mine, theirs] = [this.settings, other.settings].map((all) => JSON.stringify(all));
    if (mine !== theirs) {
      throw new RangeError(`"other" expected an observer made with ${mine}, got ${theirs}`);
    }
    if (other === this) throw rangeFault("other", "another observer", "the same one");
    if (other.#channels === undefined) return this;
    this.#checkChannels("other", other.#channels);
    this.join(other as this);
    if (this.#means && other.#means) this.#means.join(other.#means);
    this.#channels = other.#channels;
    this.#observed += other.#observed;
    this.#skipped += other.#skipped;
    return this;
  }

  /** The state of the observer, as plain data for JSON. */
  save(): ObserverState {
    return {
      format: FORMAT,
      version: VERSION,
      settings: this.settings,
      observed: this.#observed,
      skipped: this.#skipped,
      channels: Array.from({ length: this.#channels ?? 0 }, (_, c) => this.saveChannel(c)),
      ...(this.#means && { sums: this.#means.save() }),
    };
  }

  /**
   * @internal Restores the counts and channels of a saved state, whose other fields were checked.
   */
  restore(state: ObserverState): this {
    const most = Number.MAX_SAFE_INTEGER;
    const observed = checkInteger("state.observed", state.observed, 0, most);
    const skipped = checkInteger("state.skipped", state.skipped, 0, most);
    const { channels } = state;
    if (!Array.isArray(channels)) throw typeFault("state.channels", "an array", channels);
    if (this.settings.axis === undefined && channels.length > 1) {
      throw rangeFault("state.channels", "one channel", channels.length);
    }
    let sum = 0;
    for (let c = 0; c < channels.length; c++) {
      const argument = `state.channels[${c}]`;
      if (channels[c] !== null) checkObject(argument, channels[c]);
      sum += this.restoreChannel(argument, c, channels[c]);
    }
    if (sum > observed) throw rangeFault("state.observed", `at least ${sum}`, observed);
    if (this.#means) {
      const { features } = this.#means;
      if ((observed + skipped) % features !== 0) {
        const whole = `with state.skipped whole rows of ${features} elements`;
        throw rangeFault("state.observed", whole, observed);
      }
      this.#means.restore("state.sums", state.sums);
    }
    this.#observed = observed;
    this.#skipped = skipped;
    this.#channels = channels.length || undefined;
    return this;
  }

  #checkChannels(argument: string, channels: number): void {
    const known = this.#channels;
    if (known !== undefined && known !== channels) {
      throw rangeFault(argument, `${known} channels, as before`, channels);
    }
    if (channels === 0) throw rangeFault(argument, "at least one channel", channels);
  }

  /** Counts values of the batch that were not finite. */
  protected skip(count: number): void {
    this.#skipped += count;
    this.#observed -= count;
  }

  /** The error of a channel that has seen no number. */
  protected emptyChannel(channel: number): RangeError {
    const where = this.settings.axis === undefined ? "yet" : `in channel ${channel}`;
    return new RangeError(`"observer" expected numbers, got none ${where}`);
  }

  /** Called before a batch of `length` elements: allocates memory, and creates missing channels. */
  protected abstract begin(call: Call, channels: number, length: number): void;
  protected abstract take(piece: BatchPiece): void;
  protected end(): void {}
  protected abstract channelRange(channel: number, scheme: Scheme): ChannelRange;
  protected abstract join(other: this): void;
  protected abstract saveChannel(channel: number): Readonly<Record<string, unknown>> | null;
  /** Checks and restores one channel. Returns the least number of values that it must have seen. */
  protected abstract restoreChannel(
    argument: string,
    channel: number,
    state: Readonly<Record<string, unknown>> | null,
  ): number;
}

/** Elements of a piece: whole rows of all channels where there are several. */
function pieceLength({ outer, channels, inner }: Extent): number {
  const row = channels * inner;
  if (channels === 1) return Math.min(PIECE, outer * row);
  return row * Math.min(outer, Math.max(1, Math.floor(PIECE / row)));
}
