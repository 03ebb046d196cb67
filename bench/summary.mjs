import {
  bestOf,
  geometricMean,
  headline,
  microsecondsOf,
  ratioOf,
  shapesOf,
  shareOf,
  spreadOf,
} from "./figures.mjs";

const LARGE = ["256³", "512³", "1024³", "128 × 384 × 1536", "128 × 1536 × 384"];
const AWKWARD = ["128³", "3136 × 64 × 576", "127 × 129 × 131"];
const ONE_ROW = ["1 × 1024 × 1024", "1 × 4096 × 4096"];
const MANY_ROWS = "128 × 1024 × 1024";
const IN_CACHE = 2 ** 18;
const FROM_MEMORY = 2 ** 26;

const ONE_BYTE = "gemm_u8_i8_i32";
const INT4_OPS = ["gemm_f32_i4_block32", "gemm_f32_i4_block128"];
const WEB = "onnxruntime-web";

/**
 * What a run comes to: `[key, label, unit, kind, answer]`. `kind` says which command measures it,
 * `answer(run)` is a number, `{ mean, least }`, or null where the run cannot tell.
 */
export const ROWS = [];
const ask = (key, label, unit, kind, answer) => ROWS.push({ key, label, unit, kind, answer });

const against = (contender, op, shapes, build) => (run) =>
  spreadOf(
    (shapes ?? shapesOf(run, op)).map((shape) =>
      ratioOf(run, op, shape, contender, "kernel", build),
    ),
  );
const ratio = (contender, op, shape, mode) => (run) => ratioOf(run, op, shape, contender, mode);

/** The least share of a roof over shapes that were measured. */
const leastShare = (op, shapes, options) => (run) =>
  spreadOf(shapes.map((shape) => shareOf(run, op, shape, options)))?.least ?? null;

const startOf = (run) => run.starts?.find(({ contender }) => contender === "Bytelane");

const over = (a, b) => (a && b ? a / b : null);

ask(
  "exactOfRoof",
  "exact 8-bit products of 256³ and more, of the dot + add roof, the least",
  "%",
  "bench",
  leastShare(ONE_BYTE, LARGE),
);
ask(
  "awkwardOfRoof",
  "128³, 3136 × 64 × 576 and 127 × 129 × 131, of the same roof, the least",
  "%",
  "bench",
  leastShare(ONE_BYTE, AWKWARD),
);
ask(
  "sevenBitsOverExact",
  "7-bit weights over exact 8 bits, relaxed build, from 256³ on",
  "×",
  "bench",
  (run) =>
    spreadOf(
      LARGE.map((shape) => {
        const options = { build: "relaxed" };
        const seven = bestOf(run, "gemm_i8_w7_i32", shape, "Bytelane", options);
        return over(seven, bestOf(run, "gemm_i8_i8_i32", shape, "Bytelane", options));
      }),
    ),
);
ask(
  "sevenBitsOfRoof",
  "7-bit weights, of the quicker roof of the relaxed dot product, the least",
  "%",
  "bench",
  (run) => {
    const { two_step: twoStep, fused, dot } = run.roofs.registers;
    const share = leastShare("gemm_i8_w7_i32", LARGE, { build: "relaxed" })(run);
    return share && over(share * dot, Math.max(twoStep ?? 0, fused ?? 0));
  },
);
ask(
  "exactOverPlain",
  "exact 8-bit products over plain JavaScript, from 128³ on",
  "×",
  "bench",
  against("plain JS", ONE_BYTE, [...LARGE, ...AWKWARD]),
);
ask("u8i8OverWeb", `u8 · i8 over ${WEB}, all shapes`, "×", "peers", against(WEB, ONE_BYTE));
ask("i8i8OverWeb", `i8 · i8 over ${WEB}, all shapes`, "×", "peers", against(WEB, "gemm_i8_i8_i32"));
ask("oneRowOverWeb", `one row over ${WEB}`, "×", "peers", against(WEB, ONE_BYTE, ONE_ROW));
ask(
  "fourRowsOverWeb",
  `four rows over ${WEB}`,
  "×",
  "peers",
  ratio(WEB, ONE_BYTE, "4 × 1024 × 1024"),
);
ask("small32OverWeb", `32³ over ${WEB}, in the kernel`, "×", "peers", ratio(WEB, ONE_BYTE, "32³"));
ask(
  "small32CallOverWeb",
  `32³ over ${WEB}, as called`,
  "×",
  "peers",
  ratio(WEB, ONE_BYTE, "32³", "call"),
);
ask(
  "i8OverLiteRt",
  "i8 · i8 → i8 over LiteRT.js, all shapes",
  "×",
  "peers",
  against("LiteRT.js", "gemm_i8_i8_i8"),
);
ask("int4RowOverWeb", `int4, one row, over ${WEB}`, "×", "peers", (run) =>
  spreadOf(INT4_OPS.flatMap((op) => ONE_ROW.map((shape) => ratioOf(run, op, shape, WEB)))),
);
ask("int4RowsOverWeb", `int4, 128 rows, over ${WEB}`, "×", "peers", (run) =>
  spreadOf(INT4_OPS.map((op) => ratioOf(run, op, MANY_ROWS, WEB))),
);
ask(
  "int4RowOverLiteRt",
  "int4, one scale per column, one row, over LiteRT.js",
  "×",
  "peers",
  against("LiteRT.js", "gemm_f32_i4_channel", ONE_ROW),
);
ask(
  "wideOfLimit",
  "one row by 10 MB of columns of 100 to 4096, of the lesser of a stream and the same near, the least",
  "%",
  "bench",
  (run) => headline(run).wideOfLimit ?? null,
);
for (const build of ["simd", "relaxed"]) {
  const label = `int4 (block 32) over int8, 1 × 4096 × 4096, f32 rows, ${build} build`;
  ask(`int4OverInt8.${build}`, label, "×", "bench", (run) => {
    const rate = (op) => bestOf(run, op, "1 × 4096 × 4096", "Bytelane", { build });
    return over(rate("gemm_f32_i4_block32"), rate("linear_dynamic_f32"));
  });
}
for (const [key, shape] of [
  ["quantize64K", "64 K"],
  ["quantize1M", "1 M"],
]) {
  const label = `quantize ${shape} over ${WEB}`;
  ask(`${key}OverWeb`, label, "×", "peers", ratio(WEB, "quantize_f32_i8", shape));
}
ask(
  "quantizeOfDivisions",
  "quantize 64 K, of a stream of 4 loads, 4 divisions and 1 store",
  "%",
  "bench",
  (run) =>
    over(
      bestOf(run, "quantize_f32_i8", "64 K", "Bytelane"),
      run.roofs.memory[IN_CACHE]?.divide4_store1,
    ),
);
ask("quantizeOfMemory", "quantize 16 M, of a stream of 4 loads and 1 store", "%", "bench", (run) =>
  over(
    bestOf(run, "quantize_f32_i8", "16 M", "Bytelane"),
    run.roofs.memory[FROM_MEMORY]?.load4_store1,
  ),
);
ask(
  "lastAxisOfTensor",
  "quantize along the last axis, of quantize per tensor, the least",
  "%",
  "bench",
  (run) =>
    spreadOf(
      shapesOf(run, "quantize_f32_i8_last_axis").map((shape) =>
        over(
          bestOf(run, "quantize_f32_i8_last_axis", shape, "Bytelane"),
          bestOf(run, "quantize_f32_i8", shape, "Bytelane"),
        ),
      ),
    )?.least ?? null,
);
for (const [key, name, op] of [
  ["dynamic", "dynamic quantization", "dynamic_quantize_f32_u8"],
  ["toF16", "f32 → f16", "f32_f16"],
  ["fromF16", "f16 → f32", "f16_f32"],
  ["dequantize", "dequantize", "dequantize_i8_f32"],
  ["clamp", "clamp", "clamp_f32"],
]) {
  ask(`${key}OverWeb`, `${name} over ${WEB}`, "×", "peers", against(WEB, op));
}
ask(
  "callMicroseconds",
  "µs of a product 1 × 8 × 8 on own tensors, the whole call",
  "",
  "bench",
  (run) => microsecondsOf(run, ONE_BYTE, "1 × 8 × 8", "Bytelane", "kernel"),
);
ask(
  "startMilliseconds",
  "ms from import to a first result, fresh process",
  "",
  "bench",
  (run) => startOf(run)?.total ?? null,
);
ask("firstOverWarm", "first call of 512³ over a warm one", "×", "bench", (run) =>
  over(startOf(run)?.first512, startOf(run)?.warm512),
);
for (const shape of ["512³", "1024³"]) {
  const label = `two workers on one memory over one thread, ${shape}`;
  ask(`workers.${shape}`, label, "×", "threads", ({ rows }) =>
    geometricMean(
      rows.filter((row) => row.kind === "shared" && row.shape === shape).map((row) => row.ratio),
    ),
  );
}

/** The figures of one runtime, flat: `{ [key]: number, ["key.least"]: number }`. */
export function summarize(set) {
  const figures = {};
  for (const { key, kind, answer } of ROWS) {
    const value = set[kind] ? answer(set[kind]) : null;
    if (typeof value === "number" && !Number.isNaN(value)) figures[key] = value;
    else if (value?.mean)
      Object.assign(figures, { [key]: value.mean, [`${key}.least`]: value.least });
  }
  return figures;
}
