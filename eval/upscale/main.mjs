/** Enlarging pictures in 8 bits on bytelane/nn, against onnxruntime-web. HELP says how. */
import { existsSync } from "node:fs";
import { createBytelane } from "bytelane";
import { integerOption, runCommand, writeJson } from "../../tools/command.mjs";
import { compare, reportOf } from "../compare.mjs";
import { createPainter } from "../files/lines.mjs";
import { openRuntimes } from "../files/runtimes.mjs";
import { makeGraph } from "./graph.mjs";
import { psnr, samePixels } from "./judge.mjs";
import { observeInputs } from "./observe.mjs";
import { drawPicture, inputOf, pixelsOf, readPicture } from "./pictures.mjs";
import { createUpscaler } from "./upscaler.mjs";
import { openWeights } from "./weights.mjs";

const HELP = `
Pictures to twice their size with ESRGAN's residual dense network (@upscalerjs/esrgan-medium, 3 × 3
convolutions), in 8 bits on bytelane/nn, against onnxruntime-web: float32 and the faster of its
static and dynamic int8 models. One process, one thread, contenders in turn.

  npm run eval:upscale                      24 drawings: some minutes
  npm run eval:upscale -- --pictures 4      a rough look

  --pictures N  drawings that calibration did not see, and the package's photograph (default 24)
  --timed N     the first of them that are timed (default 6)
  --size N      pixels of a side of the result, even (default 128)
  --tier NAME   simd or relaxed (default: what createBytelane chooses)
  --json FILE   also writes the figures as one JSON object`;

const PACKAGE = new URL("../files/node_modules/@upscalerjs/esrgan-medium/", import.meta.url);
const CALIBRATED = 8;

/** The values of onnxruntime's planes [1, 3, height, width], pixel by pixel. */
function pixelwise({ data, dims: [, channels, height, width] }) {
  const count = height * width;
  return Float32Array.from({ length: data.length }, (_, i) => {
    return data[(i % channels) * count + Math.floor(i / channels)];
  });
}

/** Means over pictures of what is judged. */
function createJudge(pictures, count) {
  const sums = {};
  const put = (name, value, of) => {
    sums[name] = (sums[name] ?? 0) + value / of;
  };
  const judge = ({ ours, float, static: fixed, dynamic }, i) => {
    const wanted = pixelwise(float);
    const { original } = pictures[i];
    const { same, near } = samePixels(wanted, ours.data);
    const all = pictures.length;
    put("upscalePsnr", psnr(wanted, ours.data), all);
    put("upscaleSamePixels", same, all);
    put("upscaleNearPixels", near, all);
    put("upscaleOriginal", psnr(original, ours.data), all);
    put("upscaleFloatOriginal", psnr(original, wanted), all);
    if (!fixed) return;
    put("upscaleStaticPsnr", psnr(wanted, pixelwise(fixed)), count);
    put("upscaleDynamicPsnr", psnr(wanted, pixelwise(dynamic)), count);
  };
  return { sums, judge };
}

/** How near the float graph's enlargement of the package's photograph is to the package's own. */
async function checkGraph({ web }, file) {
  const [small, large] = await Promise.all(
    ["fixture.png", "samples/2x/result.png"].map((name) =>
      readPicture(new URL(`assets/${name}`, PACKAGE)),
    ),
  );
  const wanted = pixelsOf(large);
  const session = await web.InferenceSession.create(file);
  const { data, dims, type } = inputOf(pixelsOf(small), small.width, small.height);
  const { y } = await session.run({ x: new web.Tensor(type, data, dims) });
  const got = pixelwise(y).map(Math.round);
  await session.release();
  return psnr(wanted, got);
}

/** The model of ours as compare.mjs takes it. */
function modelOf(weights, file) {
  return {
    ...{ name: "upscaler", file },
    observe: async (instance, pictures) => observeInputs(instance, weights, pictures),
    async open(instance, observed, clock) {
      const own = openWeights(new URL("models/x2/", PACKAGE));
      const { upscale, bytes } = createUpscaler(instance, own, { observed, clock });
      const run = ({ data, dims }) => {
        const result = upscale(data, dims);
        const [height, width, channels] = result.shape;
        const values = { data: result.data.slice(), dims: [1, height, width, channels] };
        result.dispose();
        return values;
      };
      return { run, bytes };
    },
  };
}

await runCommand(
  {
    help: HELP,
    options: {
      pictures: { type: "string", default: "24" },
      timed: { type: "string", default: "6" },
      size: { type: "string", default: "128" },
      tier: { type: "string", default: "auto" },
    },
  },
  async ({ pictures: drawings, timed, size: side, tier, json }) => {
    if (!existsSync(PACKAGE)) throw new Error("no model: npm --prefix eval/files ci");
    const count = integerOption("pictures", drawings, 1, 1e4);
    const size = 2 * Math.ceil(integerOption("size", side, 8, 4096) / 2);
    const runtimes = await openRuntimes();
    const instance = await createBytelane({ tier });
    await createPainter();
    const weights = openWeights(new URL("models/x2/", PACKAGE));
    const file = makeGraph(weights);
    const sample = await checkGraph(runtimes, file);
    const draw = (number, first) =>
      Array.from({ length: number }, (_, i) => drawPicture(first + i, size));
    const pictures = draw(count, 1);
    const most = Math.min(integerOption("timed", timed, 1, 1e4), pictures.length);
    const { sums, judge } = createJudge(pictures, most);
    const found = await compare(instance, runtimes, {
      ...modelOf(weights, file),
      ...{ tier, judge, pictures, count: most, calibration: draw(CALIBRATED, 5001) },
    });
    const figures = {
      upscaleOverOrtWeb: found.overFloat,
      upscaleOverOrtWebInt8: found.overInt8,
      ...sums,
      upscaleSamplePsnr: sample,
      upscaleOutside: found.outside,
      upscaleMs: found.contenders.ours.ms,
      upscaleStartMs: found.contenders.ours.start,
      upscaleBytes: found.contenders.ours.bytes,
      upscaleFloatBytes: found.contenders.float.bytes,
    };
    for (const [name, value] of Object.entries(figures)) console.log(`${name}  ${value}`);
    const runtime = `Node ${process.versions.node}`;
    writeJson(json, { figures, models: [reportOf(found)], tier: instance.tier, runtime });
  },
);
