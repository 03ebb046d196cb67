import {
  bestOf,
  figure,
  microsecondsOf,
  percent,
  ratioOf,
  shapesOf,
  shareOf,
  spreadOf,
  table,
  times,
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

/** A question and its answer for one set, null where the set cannot tell. */
const ROWS = [];
const ask = (question, kind, answer) =>
  ROWS.push([
    question,
    (set) => {
      const run = set[kind];
      if (!run) return "–";
      const found = answer(run);
      return found === null || found === undefined ? "–" : found;
    },
  ]);

const range = (spread) => spread && `${times(spread.mean)} (${times(spread.least)})`;
const against = (contender, op, shapes, build) => (run) =>
  range(
    spreadOf(
      (shapes ?? shapesOf(run, op)).map((shape) =>
        ratioOf(run, op, shape, contender, "kernel", build),
      ),
    ),
  );
const ratio = (contender, op, shape, mode) => (run) =>
  times(ratioOf(run, op, shape, contender, mode));

/** The least share of a roof over shapes that were measured. */
const leastShare = (op, shapes, options) => (run) => {
  const spread = spreadOf(shapes.map((shape) => shareOf(run, op, shape, options)));
  return spread && percent(spread.least);
};

ask(
  "exact 8-bit products of 256³ and more, of the dot + add roof, the least",
  "bench",
  leastShare(ONE_BYTE, LARGE),
);
ask(
  "128³, 3136 × 64 × 576 and 127 × 129 × 131, of the same roof, the least",
  "bench",
  leastShare(ONE_BYTE, AWKWARD),
);
ask("7-bit weights over exact 8 bits, relaxed build, from 256³ on", "bench", (run) =>
  range(
    spreadOf(
      LARGE.map((shape) => {
        const seven = bestOf(run, "gemm_i8_w7_i32", shape, "Bytelane", { build: "relaxed" });
        const eight = bestOf(run, "gemm_i8_i8_i32", shape, "Bytelane", { build: "relaxed" });
        return seven && eight ? seven / eight : null;
      }),
    ),
  ),
);
ask("7-bit weights, of the quicker roof of the relaxed dot product, the least", "bench", (run) => {
  const { two_step: twoStep, fused, dot } = run.roofs.registers;
  const roof = Math.max(twoStep ?? 0, fused ?? 0);
  const options = { build: "relaxed" };
  const share = spreadOf(LARGE.map((shape) => shareOf(run, "gemm_i8_w7_i32", shape, options)));
  return share && roof ? percent((share.least * dot) / roof) : null;
});
for (const [tier, build] of [
  ["", undefined],
  [", direct tier", "direct"],
]) {
  ask(
    `exact 8-bit products over plain JavaScript, from 128³ on${tier}`,
    "bench",
    against("plain JS", ONE_BYTE, [...LARGE, ...AWKWARD], build),
  );
}
ask(`u8 · i8 over ${WEB}, all shapes`, "peers", against(WEB, ONE_BYTE));
ask(`i8 · i8 over ${WEB}, all shapes`, "peers", against(WEB, "gemm_i8_i8_i32"));
ask(`one row over ${WEB}`, "peers", against(WEB, ONE_BYTE, ONE_ROW));
ask(`four rows over ${WEB}`, "peers", ratio(WEB, ONE_BYTE, "4 × 1024 × 1024"));
ask(`32³ over ${WEB}, in the kernel`, "peers", ratio(WEB, ONE_BYTE, "32³"));
ask(`32³ over ${WEB}, as called`, "peers", ratio(WEB, ONE_BYTE, "32³", "call"));
ask("i8 · i8 → i8 over LiteRT.js, all shapes", "peers", against("LiteRT.js", "gemm_i8_i8_i8"));
ask(
  "i8 · i8 → i8 over LiteRT.js, all shapes, direct tier",
  "peers",
  against("LiteRT.js", "gemm_i8_i8_i8", undefined, "direct"),
);
ask(`int4, one row, over ${WEB}`, "peers", (run) =>
  range(spreadOf(INT4_OPS.flatMap((op) => ONE_ROW.map((shape) => ratioOf(run, op, shape, WEB))))),
);
ask(`int4, 128 rows, over ${WEB}`, "peers", (run) =>
  range(spreadOf(INT4_OPS.map((op) => ratioOf(run, op, MANY_ROWS, WEB)))),
);
ask(
  "int4, one scale a column, one row, over LiteRT.js",
  "peers",
  against("LiteRT.js", "gemm_f32_i4_channel", ONE_ROW),
);
for (const build of ["simd", "relaxed"]) {
  ask(`int4 (block 32) over int8, 1 × 4096 × 4096, f32 rows, ${build} build`, "bench", (run) => {
    const [four, eight] = ["gemm_f32_i4_block32", "linear_dynamic_f32"].map((op) =>
      bestOf(run, op, "1 × 4096 × 4096", "Bytelane", { build }),
    );
    return four && eight ? times(four / eight) : null;
  });
}
for (const shape of ["64 K", "1 M"]) {
  ask(`quantize ${shape} over ${WEB}`, "peers", ratio(WEB, "quantize_f32_i8", shape));
}
ask("quantize 64 K, of a stream of 4 loads, 4 divisions and 1 store", "bench", (run) => {
  const roof = run.roofs.memory[IN_CACHE]?.divide4_store1;
  const own = bestOf(run, "quantize_f32_i8", "64 K", "Bytelane");
  return roof && own ? percent(own / roof) : null;
});
ask("quantize 16 M, of a stream of 4 loads and 1 store", "bench", (run) => {
  const roof = run.roofs.memory[FROM_MEMORY]?.load4_store1;
  const own = bestOf(run, "quantize_f32_i8", "16 M", "Bytelane");
  return roof && own ? percent(own / roof) : null;
});
ask("quantize along the last axis, of quantize per tensor, the least", "bench", (run) => {
  const spread = spreadOf(
    shapesOf(run, "quantize_f32_i8_last_axis").map((shape) => {
      const last = bestOf(run, "quantize_f32_i8_last_axis", shape, "Bytelane");
      const one = bestOf(run, "quantize_f32_i8", shape, "Bytelane");
      return last && one ? last / one : null;
    }),
  );
  return spread && percent(spread.least);
});
for (const [name, op] of [
  ["dynamic quantization", "dynamic_quantize_f32_u8"],
  ["f32 → f16", "f32_f16"],
  ["f16 → f32", "f16_f32"],
  ["dequantize", "dequantize_i8_f32"],
  ["clamp", "clamp_f32"],
]) {
  ask(`${name} over ${WEB}`, "peers", against(WEB, op));
}
ask("µs of a product 1 × 8 × 8 on own tensors, the whole call", "bench", (run) => {
  const least = microsecondsOf(run, ONE_BYTE, "1 × 8 × 8", "Bytelane", "kernel");
  return least && figure(least);
});
ask("ms from import to a first result, fresh process", "bench", ({ starts }) => {
  const own = starts?.find(({ contender }) => contender === "Bytelane");
  return own && figure(own.total);
});
ask("first call of 512³ over a warm one", "bench", ({ starts }) => {
  const own = starts?.find(({ contender }) => contender === "Bytelane");
  return own && times(own.first512 / own.warm512);
});

/** What all the tables come to, a column a set: geometric means, with the least in parentheses. */
export function summaryTable(sets) {
  const rows = ROWS.map(([question, answer]) => [question, ...sets.map(answer)]);
  const told = rows.filter(([, ...answers]) => answers.some((answer) => answer !== "–"));
  return table(["", ...sets.map(({ name }) => name)], told);
}
