/**
 * Making and restoring observers of every method.
 *
 * @category Observers
 */
import {
  checkInteger,
  checkNumber,
  checkObject,
  checkOneOf,
  checkOptions,
  rangeFault,
} from "../core/check.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { AverageObserver, checkFixed, FixedObserver, MinMaxObserver } from "./extremes.ts";
import { HistogramObserver } from "./histogram.ts";
import { checkSearch, type SearchOptions } from "./methods.ts";
import { type Common, FORMAT, type Observer, type ObserverState, VERSION } from "./observer.ts";
import { OrderObserver } from "./order-statistic.ts";

/** One range for all data, or one per channel. */
export interface AxisOption {
  /**
   * Gives each channel along this axis its own range; negative counts from the last. Default: one
   * range for all data.
   */
  readonly axis?: number;
}

/** Means beside the range. */
export interface FeaturesOption {
  /**
   * Elements of a row: the features of a linear layer's input, or the channels of a convolution's.
   * The observer then also has the mean of each, `mean`, and `params` contains it, so that a layer
   * made with these parameters has its bias corrected. Default: no means.
   */
  readonly features?: number;
}

/** Options of every method. */
type CommonOptions = AxisOption & FeaturesOption;

/** A range that is searched for over a histogram. */
export type HistogramOptions = Exclude<SearchOptions, { method: "minmax" }> &
  CommonOptions & {
    /**
     * Bins on either side of 0: a power of two from 256 to 65536. The greatest magnitude lies in
     * the outer half of them. Default 8192, per channel 2048.
     */
    readonly bins?: number;
  };

/**
 * A method and its options (docs/calibration.md has the rules). For weights take "minmax", for
 * activations "mse".
 */
export type ObserverOptions =
  | (CommonOptions & {
      /** The range of everything that was seen. */
      readonly method: "minmax";
    })
  | (CommonOptions & {
      /** A moving average of the batches' ranges. */
      readonly method: "average";
      /** Weight of each new batch, in (0, 1]. Default 0.01, as in PyTorch. */
      readonly weight?: number;
    })
  | (CommonOptions & {
      /** From the i-th smallest to the i-th largest number, exactly. */
      readonly method: "order";
      /** i, from 1. The observer stores i numbers per end, and must see at least 2i − 1. */
      readonly rank: number;
    })
  | (CommonOptions & {
      /** A range that is known beforehand. */
      readonly method: "fixed";
      /** At most max; with an axis one number per channel. */
      readonly min: number | ArrayLike<number>;
      /** As many as min has. */
      readonly max: number | ArrayLike<number>;
    })
  | HistogramOptions;

/** The methods, and the options that each has beside `method`, `axis` and `features`. */
const OPTIONS = {
  minmax: [],
  average: ["weight"],
  order: ["rank"],
  percentile: ["percent", "bins"],
  entropy: ["sides", "zeros", "bins"],
  mse: ["bins"],
  fixed: ["min", "max"],
} as const;
const METHODS = /* @__PURE__ */ Object.keys(OPTIONS) as (keyof typeof OPTIONS)[];

/**
 * Makes an observer: it observes data batch by batch, in any order and any division, and proposes a
 * clipping range. docs/calibration.md says what each method computes.
 *
 * Errors: an unknown method, an option out of its range.
 *
 * @example
 * ```ts
 * const observer = createObserver(instance, { method: "mse", features: 384 });
 * for (const x of batches) observer.observe(x);
 * const activations = observer.params({ dtype: "u8", scheme: "asymmetric" });
 * const layer = createLinear(instance, { weights, shape: [384, 96], activations });
 * ```
 */
export function createObserver(
  instance: Bytelane,
  options: HistogramOptions & { readonly axis?: undefined },
): HistogramObserver<number>;
export function createObserver(
  instance: Bytelane,
  options: HistogramOptions,
): HistogramObserver<number | Float32Array>;
export function createObserver(
  instance: Bytelane,
  options: ObserverOptions & { readonly axis?: undefined },
): Observer<number>;
export function createObserver(instance: Bytelane, options: ObserverOptions): Observer;
export function createObserver(instance: Bytelane, options: ObserverOptions): Observer {
  checkInstance(instance);
  return make(instance, "options", options);
}

function make(instance: Bytelane, argument: string, options: ObserverOptions): Observer {
  checkObject(argument, options);
  const method = checkOneOf(`${argument}.method`, options.method, METHODS);
  checkOptions(argument, options, ["method", "axis", "features", ...OPTIONS[method]]);
  const { axis, features } = options;
  if (axis !== undefined) checkInteger(`${argument}.axis`, axis, -32, 31);
  if (features !== undefined) checkInteger(`${argument}.features`, features, 1, 2 ** 20);
  const common: Common = {
    ...(axis !== undefined && { axis }),
    ...(features !== undefined && { features }),
  };
  switch (options.method) {
    case "minmax":
      return new MinMaxObserver(instance, { method, ...common });
    case "average": {
      const weight = checkNumber(`${argument}.weight`, options.weight ?? 0.01);
      if (!(weight > 0 && weight <= 1)) {
        throw rangeFault(`${argument}.weight`, "a number in (0, 1]", weight);
      }
      return new AverageObserver(instance, common, weight);
    }
    case "order":
      return new OrderObserver(
        instance,
        common,
        checkInteger(`${argument}.rank`, options.rank, 1, 2 ** 20),
      );
    case "fixed":
      return new FixedObserver(
        instance,
        common,
        checkFixed(argument, axis, options.min, options.max),
      );
    default: {
      const search = checkSearch(argument, options);
      const bins = options.bins ?? (axis === undefined ? 8192 : 2048);
      checkInteger(`${argument}.bins`, bins, 256, 65536);
      if ((bins & (bins - 1)) !== 0) throw rangeFault(`${argument}.bins`, "a power of two", bins);
      return new HistogramObserver(instance, common, bins, search);
    }
  }
}

/**
 * Restores an observer from the result of `save`, also after JSON. It can observe and merge
 * further.
 *
 * Errors: a state of a newer version, or a damaged one, whose fields contradict each other.
 *
 * @example
 * ```ts
 * const text = JSON.stringify(observer.save());
 * const restored = loadObserver(instance, JSON.parse(text));
 * ```
 */
export function loadObserver(instance: Bytelane, state: ObserverState): Observer {
  checkInstance(instance);
  checkObject("state", state);
  if (state.format !== FORMAT) {
    throw rangeFault("state.format", JSON.stringify(FORMAT), state.format);
  }
  if (state.version !== VERSION) {
    throw rangeFault("state.version", `${VERSION}, the one that is known here`, state.version);
  }
  const options = state.settings as unknown as ObserverOptions;
  return make(instance, "state.settings", options).restore(state);
}
