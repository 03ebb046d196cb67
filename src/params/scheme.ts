/** Which integers stand for a range of reals, as options describe it and as the kernels use it. */
import { checkInteger, checkOneOf, checkOptions, rangeFault } from "../core/check.ts";
import { QUANTIZED_DTYPES, type QuantizedDType } from "../core/dtype.ts";
import { PROFILES, type Profile } from "./profile.ts";

/** Which integers stand for a range, and where 0 lies among them (docs/math.md, 3 and 4). */
export interface SchemeOptions<D extends QuantizedDType = QuantizedDType> {
  /** Element type of the quantized values. Default "i8". */
  readonly dtype?: D;
  /**
   * "symmetric" puts real 0 in the middle of the integers, "asymmetric" uses them all. Default
   * "symmetric", for the profile sentence-transformers "asymmetric".
   */
  readonly scheme?: "symmetric" | "asymmetric";
  /**
   * Of symmetric quantization with b bits: "restricted" has scale max|x| / (2^(b−1) − 1) and never
   * makes the least integer; "full" has scale 2 · max|x| / (2^b − 1), so that +max|x| saturates.
   * "reduced", of either scheme, has one bit fewer, for int8 hardware whose sums may saturate.
   * Default "restricted", for the profile pytorch "full".
   */
  readonly symmetricRange?: "restricted" | "full" | "reduced";
  /** Bits b in use, 2 to 8, within dtype. Default 8. */
  readonly bits?: number;
  /** The system whose formula gives scale and zero point from the range. Default "onnx". */
  readonly profile?: Profile;
  /** The axis of the channels; the result has it too. */
  readonly axis?: number;
}

/** The options of a scheme, checked and complete. */
export interface Scheme {
  readonly profile: Profile;
  readonly dtype: QuantizedDType;
  readonly symmetric: boolean;
  /** Of symmetric schemes: the least integer is not used. */
  readonly restricted: boolean;
  readonly bits: number;
  /** The integers in use. */
  readonly low: number;
  readonly high: number;
}

const SCHEME_OPTIONS = [
  "dtype",
  "scheme",
  "symmetricRange",
  "bits",
  "profile",
  "axis",
] as const satisfies readonly (keyof SchemeOptions)[];

const BOTH = ["symmetric", "asymmetric"] as const;
const RANGES = ["restricted", "full", "reduced"] as const;

/** The choices of each profile, its default first. */
const CHOICES: Readonly<
  Record<
    Profile,
    {
      readonly schemes: readonly (typeof BOTH)[number][];
      readonly ranges: readonly (typeof RANGES)[number][];
      /** The fewest bits. */
      readonly bits: number;
      /** Whether u8 may be symmetric, with the zero point in the middle. */
      readonly symmetricU8: boolean;
    }
  >
> = {
  onnx: { schemes: BOTH, ranges: RANGES, bits: 2, symmetricU8: true },
  pytorch: { schemes: BOTH, ranges: ["full", "restricted", "reduced"], bits: 2, symmetricU8: true },
  tflite: { schemes: BOTH, ranges: ["restricted"], bits: 4, symmetricU8: false },
  ggml: { schemes: ["symmetric"], ranges: ["restricted"], bits: 8, symmetricU8: false },
  "sentence-transformers": {
    schemes: ["asymmetric"],
    ranges: ["restricted"],
    bits: 8,
    symmetricU8: false,
  },
};

/** The integers in use for `bits` of a type: u8 counts from 0, i8 from the negative half. */
export function integersOf(dtype: QuantizedDType, bits: number): readonly [number, number] {
  return dtype === "i8" ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
}

/** The scheme that options describe. `others` are the names of options that the caller checks. */
export function checkScheme(options: SchemeOptions, others: readonly string[] = []): Scheme {
  checkOptions("options", options, [...SCHEME_OPTIONS, ...others]);
  if (options.axis !== undefined) {
    checkInteger("options.axis", options.axis, -(2 ** 31), 2 ** 31 - 1);
  }
  const profile = checkOneOf("options.profile", options.profile ?? "onnx", PROFILES);
  const has = CHOICES[profile];
  const dtype = checkOneOf("options.dtype", options.dtype ?? "i8", QUANTIZED_DTYPES);
  const scheme = checkOneOf("options.scheme", options.scheme ?? has.schemes[0], has.schemes);
  const range = checkOneOf(
    "options.symmetricRange",
    options.symmetricRange ?? has.ranges[0],
    has.ranges,
  );
  const reduced = range === "reduced" ? 1 : 0;
  const least = Math.min(has.bits + reduced, 8);
  const bits = checkInteger("options.bits", options.bits ?? 8, least, 8) - reduced;
  const symmetric = scheme === "symmetric";
  const isOdd = profile === "pytorch" && (bits < 8 || range === "restricted");
  if (symmetric && dtype === "u8" && (!has.symmetricU8 || isOdd)) {
    throw rangeFault("options.dtype", `"i8" for symmetric ${profile} at ${bits} bits`, dtype);
  }
  const restricted = symmetric && (range === "restricted" || (reduced === 1 && profile === "onnx"));
  const [low, high] = integersOf(dtype, bits);
  return { profile, dtype, symmetric, restricted, bits, low: restricted ? low + 1 : low, high };
}
