/**
 * Runs the golden vectors, the results of other systems (docs/conformance.md), through the public
 * operations on this machine. An entry of its own: the vectors are larger than the library.
 *
 * @category Conformance
 */
import { checkRecords } from "../core/check.ts";
import {
  type Bytelane,
  chooseParams,
  dequantize,
  matmul,
  type Profile,
  type QuantizedDType,
  quantize,
  quantizeDynamic,
  requantize,
} from "./index.ts";

/** An array of a golden file: little-endian bytes in base64. */
export interface GoldenTensor {
  /** Element type; f64 and i32 are parameters and accumulators. */
  readonly dtype: "f32" | "f64" | "i32" | "i8" | "u8";
  /** Dimensions, where the call needs them. */
  readonly shape?: readonly number[];
  readonly base64: string;
}

/** A value of a golden file. */
export type Golden = GoldenTensor | number | string | readonly number[];

/** One call of a reference. */
export interface Vector {
  /** The kind of call, by which `judge` finds the operations to run. */
  readonly operation: string;
  /** Whose rule is judged. */
  readonly profile: Profile;
  readonly name: string;
  /** The programs that gave exactly this result. */
  readonly ran: readonly string[];
  /** Why Bytelane gives another result, on purpose. */
  readonly refusal?: string;
  /** The arguments of the call, by name. */
  readonly input: Readonly<Record<string, Golden>>;
  /** The results of the reference, by name. */
  readonly expected: Readonly<Record<string, Golden>>;
}

/** A golden file: the calls of one system, from test/golden. */
export interface Suite {
  /** The system, such as "ONNX"; the versions that ran stand with each vector. */
  readonly reference: string;
  readonly vectors: readonly Vector[];
}

/** The golden files. The build script inserts them. */
declare const GOLDEN: readonly Suite[];

/** The vectors of one operation, profile and reference. */
export interface ConformanceRow {
  /** Whose rule is judged. */
  readonly profile: Profile;
  readonly operation: string;
  /** The programs that were run to make the vectors. */
  readonly reference: string;
  /** Calls that were run. */
  readonly vectors: number;
  /** Number of values compared, including parameters that the call chooses. */
  readonly values: number;
  /** Number of values that differ from the reference. */
  readonly differing: number;
  /** Why they differ on purpose; undefined where equality is promised. */
  readonly refusal: string | undefined;
}

/** The result of a run of all vectors. */
export interface Conformance {
  /** True if every value is equal where equality is promised. */
  readonly passed: boolean;
  /** For console.table. */
  readonly rows: readonly ConformanceRow[];
}

/** The typed arrays that golden files decode to. */
export type Numbers = Float32Array | Float64Array | Int32Array | Int8Array | Uint8Array;

const ARRAYS = {
  f32: Float32Array,
  f64: Float64Array,
  i32: Int32Array,
  i8: Int8Array,
  u8: Uint8Array,
} as const;

/**
 * The elements of a tensor of a golden file.
 *
 * @example
 * ```ts
 * decode({ dtype: "i8", base64: "AQID" }); // Int8Array 1 2 3
 * ```
 */
export function decode({ dtype, base64 }: GoldenTensor): Numbers {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return new ARRAYS[dtype](bytes.buffer);
}

/** The fields of a vector, decoded. */
class Fields {
  readonly #record: Readonly<Record<string, Golden>>;

  constructor(record: Readonly<Record<string, Golden>>) {
    this.#record = record;
  }

  /** A value, in the type that the caller expects. */
  get<T>(name: string): T {
    const value = this.#record[name];
    return (typeof value === "object" && "base64" in value ? decode(value) : value) as T;
  }
}

type Results = Readonly<Record<string, ArrayLike<number> | number>>;
type Runner = (instance: Bytelane, input: Fields, profile: Profile) => Results;

const number = (input: Fields, name: string) => input.get<number>(name);

/** Both sides of a product, for `matmul`. */
function productOf(input: Fields) {
  const [m, n, depth] = [number(input, "m"), number(input, "n"), number(input, "depth")];
  const batch = input.get<number | undefined>("batch") ?? 1;
  const side = (name: string) => ({
    values: input.get<Int8Array | Uint8Array>(name),
    zeroPoint: input.get<number | Int32Array>(`${name}Zero`),
    scale: input.get<number | undefined>(`${name}Scale`) ?? 1,
  });
  return {
    sides: [side("lhs"), side("rhs")] as const,
    sizes: { m, n, depth, batch },
    count: batch * m * n,
  };
}

const RUNNERS: Readonly<Record<string, Runner>> = {
  quantize(instance, input, profile) {
    const axis = input.get<number | undefined>("axis");
    const params = {
      dtype: input.get<QuantizedDType>("dtype"),
      scale: input.get<number | Float32Array>("scale"),
      zeroPoint: input.get<number | Int32Array>("zeroPoint"),
      ...(axis !== undefined && { axis }),
    };
    const shape = input.get<readonly number[]>("shape");
    return { q: quantize(instance, input.get<Float32Array>("x"), params, { shape, profile }) };
  },

  dequantize(instance, input) {
    const axis = input.get<number | undefined>("axis");
    const params = {
      scale: input.get<number | Float32Array>("scale"),
      zeroPoint: input.get<number | Int32Array>("zeroPoint"),
      ...(axis !== undefined && { axis }),
    };
    const shape = input.get<readonly number[]>("shape");
    return { x: dequantize(instance, input.get<Int8Array | Uint8Array>("q"), params, { shape }) };
  },

  quantizeDynamic(instance, input) {
    const { values, scale, zeroPoint } = quantizeDynamic(instance, input.get<Float32Array>("x"));
    return { q: values, scale, zeroPoint };
  },

  matmul(instance, input) {
    const { sides, sizes, count } = productOf(input);
    const c = new Int32Array(count);
    matmul(instance, ...sides, { ...sizes, out: c });
    return { c };
  },

  matmulRequantized(instance, input) {
    const { sides, sizes, count } = productOf(input);
    const result = input.get<QuantizedDType>("dtype");
    const c = new ARRAYS[result](count);
    const to = {
      dtype: result,
      scale: number(input, "scale"),
      zeroPoint: number(input, "zeroPoint"),
    };
    matmul(instance, ...sides, { ...sizes, ...to, out: c });
    return { c };
  },

  requantize(instance, input) {
    const scale = number(input, "scale");
    const rounding = input.get<"float" | "fixed-double" | "fixed-single">("rounding");
    return {
      q: requantize(instance, input.get<Int32Array>("acc"), {
        multiplier: 1 / scale,
        zeroPoint: number(input, "zeroPoint"),
        rounding,
      }),
    };
  },

  chooseParams(_, input, profile) {
    const { scale, zeroPoint } = chooseParams(
      { min: input.get<Float32Array>("min"), max: input.get<Float32Array>("max") },
      {
        profile: profile as "pytorch",
        dtype: input.get<QuantizedDType>("dtype"),
        scheme: input.get<"symmetric" | "asymmetric">("scheme"),
        bits: input.get<7 | 8>("bits"),
      },
    );
    return { scale, zeroPoint };
  },

  blocks(instance, input) {
    // the stored step is rounded to f16, so the step that was used is derived from the codes
    const x = input.get<Float32Array>("x");
    const shape = [x.length / 32, 32];
    const extents = new Float32Array(shape[0]);
    for (const [i, value] of x.entries()) {
      extents[i >> 5] = Math.max(extents[i >> 5], Math.abs(value));
    }
    const range = { min: extents.map((extent) => -extent), max: extents };
    const params = chooseParams(range, { profile: "ggml", axis: 0 });
    return { q: quantize(instance, x, params, { shape, profile: "ggml" }) };
  },

  embeddings(instance, input, profile) {
    const range = { min: input.get<Float32Array>("min"), max: input.get<Float32Array>("max") };
    const dtype = input.get<QuantizedDType>("dtype");
    const params = chooseParams(range, {
      ...{ profile: "sentence-transformers", dtype, axis: 1 },
    });
    const shape = [number(input, "rows"), number(input, "columns")];
    const q = quantize(instance, input.get<Float32Array>("x"), params, { shape, profile });
    return { q, scale: params.scale, start: params.start as Float32Array };
  },
};

/** Formats that the tests of their codec judge. */
const ELSEWHERE: readonly Golden[] = ["q4_0", "q4_1"];

const listOf = (value: ArrayLike<number> | number) => (typeof value === "number" ? [value] : value);

/**
 * Counts the values compared and the values that differ. Scales given as f64 are compared as f32.
 */
function compare(results: Results, expected: Fields): { values: number; differing: number } {
  let values = 0;
  let differing = 0;
  for (const [name, result] of Object.entries(results)) {
    const got = listOf(result);
    const wanted = listOf(expected.get<ArrayLike<number> | number>(name));
    values += wanted.length;
    if (got.length !== wanted.length) differing += wanted.length;
    else {
      for (let i = 0; i < got.length; i++) {
        const want = name === "scale" ? Math.fround(wanted[i]) : wanted[i];
        if (got[i] !== want && !(Number.isNaN(got[i]) && Number.isNaN(want))) differing++;
      }
    }
  }
  return { values, differing };
}

/**
 * Runs one vector.
 *
 * @example
 * ```ts
 * for (const vector of vectorsOf(suites)) console.log(vector.name, judge(instance, vector));
 * ```
 */
export function judge(instance: Bytelane, vector: Vector): { values: number; differing: number } {
  const runner = RUNNERS[vector.operation];
  if (!runner) throw new Error(`"operation" expected a known one, got ${vector.operation}`);
  const results = runner(instance, new Fields(vector.input), vector.profile);
  return compare(results, new Fields(vector.expected));
}

/**
 * The vectors that are judged here.
 *
 * @example
 * ```ts
 * for (const vector of vectorsOf(suites)) console.log(vector.name, judge(instance, vector));
 * ```
 */
export function vectorsOf(suites: readonly Suite[]): readonly Vector[] {
  return suites
    .flatMap(({ vectors }) => vectors)
    .filter(({ input }) => !ELSEWHERE.includes(input.format));
}

/** Checks that each suite has vectors, and each vector the properties that `judge` reads. */
function checkSuites(suites: readonly Suite[]): void {
  checkRecords("suites", suites, { vectors: "array" });
  for (const [i, { vectors }] of suites.entries()) {
    checkRecords(`suites[${i}].vectors`, vectors, {
      ...{ operation: "string", profile: "string", ran: "array" },
      ...{ input: "object", expected: "object" },
    });
  }
}

/**
 * Runs all golden vectors with an instance. One row per operation, profile and reference. A row has
 * a `refusal` where Bytelane's documented rule differs from the reference. It takes well under a
 * second.
 *
 * @example
 * ```ts
 * const { passed, rows } = conformance(instance);
 * console.table(rows);
 * ```
 */
export function conformance(instance: Bytelane, suites: readonly Suite[] = GOLDEN): Conformance {
  checkSuites(suites);
  const rows = new Map<string, { -readonly [K in keyof ConformanceRow]: ConformanceRow[K] }>();
  for (const vector of vectorsOf(suites)) {
    const { profile, operation, refusal } = vector;
    const reference = vector.ran.join(", ");
    const key = [profile, operation, reference, refusal].join("\n");
    let row = rows.get(key);
    if (!row) {
      row = { profile, operation, reference, vectors: 0, values: 0, differing: 0, refusal };
      rows.set(key, row);
    }
    const { values, differing } = judge(instance, vector);
    row.vectors++;
    row.values += values;
    row.differing += differing;
  }
  const list = [...rows.values()];
  return {
    passed: list.every(({ differing, refusal }) => differing === 0 || refusal !== undefined),
    rows: list,
  };
}
