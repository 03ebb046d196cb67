/** bytelane quantize: writes a smaller model or checkpoint. */

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type { Bytelane } from "../core/instance.ts";
import { quantizeSafetensors, readSafetensors, tensorValues } from "../formats/index.ts";
import {
  type Calibration,
  type OnnxOptions,
  type OnnxProgress,
  type OnnxRuntime,
  type OnnxValue,
  type OnnxValues,
  onnxReportTable,
  onnxRunner,
  quantizeOnnx,
} from "../onnx/index.ts";
import { Failure } from "./failure.ts";
import {
  checkOutput,
  formatOf,
  OutputFile,
  onnxSource,
  safetensorsSource,
  writeWhole,
} from "./files.ts";
import { bytes, decibels, json, table } from "./output.ts";
import { Progress } from "./progress.ts";

/** Options as the command line has them. */
export interface QuantizeFlags {
  readonly output?: string;
  readonly mode?: OnnxOptions["mode"];
  readonly bits?: 4 | 8 | 16;
  readonly blockSize?: 16 | 32 | 64 | 128 | 256;
  readonly scheme?: OnnxOptions["scheme"];
  readonly method?: OnnxOptions["method"];
  readonly pointwise?: OnnxOptions["pointwise"];
  readonly accuracyLevel?: OnnxOptions["accuracyLevel"];
  readonly minElements?: number;
  readonly weightBits?: 7 | 8;
  readonly depthwise?: OnnxOptions["depthwise"];
  readonly sensitive?: number;
  readonly biasCorrection: boolean;
  readonly planBits?: number;
  readonly planBytes?: number;
  readonly keep?: readonly string[];
  readonly inputs?: readonly string[];
  readonly runtime?: string;
  readonly externalData?: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** The default name of the output. */
function outputOf(file: string, { output, mode = "weights", bits }: QuantizeFlags): string {
  if (output !== undefined) return output;
  const format = formatOf(file);
  const kind = mode === "weights" ? `q${bits ?? (format === "onnx" ? 4 : 8)}` : mode;
  const stem = file.replace(/(\.safetensors\.index\.json|\.safetensors|\.onnx)$/, "");
  return `${stem}.${kind}.${format}`;
}

export async function quantizeFile(
  instance: Bytelane,
  file: string,
  flags: QuantizeFlags,
): Promise<void> {
  const output = outputOf(file, flags);
  await checkOutput(output, [file], flags.force === true);
  const progress = new Progress();
  try {
    const started = performance.now();
    const { report, text } =
      formatOf(file) === "onnx"
        ? await quantizeModel(instance, file, output, flags, progress)
        : await quantizeCheckpoint(instance, file, output, flags, progress);
    progress.stop();
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    if (flags.json) console.log(json({ output, ...report }));
    else {
      const share = ((100 * report.bytes) / report.bytesBefore).toFixed(1);
      console.log(text);
      console.log(
        `${output}: ${bytes(report.bytesBefore)} to ${bytes(report.bytes)} (${share} %) in ${seconds} s`,
      );
    }
  } finally {
    progress.stop();
  }
}

interface Done {
  readonly report: { readonly bytes: number; readonly bytesBefore: number };
  readonly text: string;
}

async function quantizeModel(
  instance: Bytelane,
  file: string,
  output: string,
  flags: QuantizeFlags,
  progress: Progress,
): Promise<Done> {
  const { inputs, runtime, externalData, planBits, planBytes, keep, force } = flags;
  if (externalData !== undefined) {
    const beside = path.join(path.dirname(output), externalData);
    await checkOutput(beside, [file], force === true);
  }
  const goal =
    planBits !== undefined
      ? { bitsPerWeight: planBits }
      : planBytes !== undefined
        ? { budgetBytes: planBytes }
        : undefined;
  const options: OnnxOptions = dropUndefined({
    ...{ mode: flags.mode, bits: flags.bits, blockSize: flags.blockSize, scheme: flags.scheme },
    ...{ method: flags.method, pointwise: flags.pointwise, accuracyLevel: flags.accuracyLevel },
    ...{ minElements: flags.minElements, weightBits: flags.weightBits },
    ...{ depthwise: flags.depthwise, sensitive: flags.sensitive, externalData },
    biasCorrection: flags.biasCorrection,
    plan: goal,
    tensors: keep && Object.fromEntries(keep.map((name) => [name, { bits: 32 }])),
    calibration: inputs && (await readCalibration(inputs, runtime)),
    onProgress: ({ stage, done, total }: OnnxProgress) => progress.update(stage, done, total),
  });
  const result = await quantizeOnnx(instance, await onnxSource(file), options);
  const files = [{ file: output, chunks: [result.model] }];
  if (externalData !== undefined) {
    files.push({
      file: path.join(path.dirname(output), externalData),
      chunks: [...result.externalData],
    });
  }
  await writeWhole(files);
  const { report } = result;
  return { report, text: [onnxReportTable(report), ...report.notes].join("\n") };
}

/** Removes options that were not given. */
function dropUndefined<T extends object>(options: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as T;
}

async function quantizeCheckpoint(
  instance: Bytelane,
  file: string,
  output: string,
  flags: QuantizeFlags,
  progress: Progress,
): Promise<Done> {
  if (flags.mode !== undefined && flags.mode !== "weights") {
    throw new Failure(`${file}: a checkpoint has weights alone, not the graph that --mode needs`);
  }
  if (flags.method === "gptq") throw new Failure(`${file}: gptq needs a graph that can be run`);
  const target = await OutputFile.create(output);
  try {
    const report = await quantizeSafetensors(instance, await safetensorsSource(file), {
      ...dropUndefined({ bits: flags.bits, blockSize: flags.blockSize, method: flags.method }),
      ...dropUndefined({ minElements: flags.minElements }),
      write: (chunk) => target.write(chunk),
      onProgress: ({ done, total }) => progress.update("quantize", done, total),
    });
    await target.commit();
    const rows = report.tensors.map((each) => [
      each.name,
      each.shape.join(" × "),
      each.bits === undefined ? "" : String(each.bits),
      String(each.bytes),
      each.bits === undefined ? "" : decibels(each.sqnr),
      each.bits === undefined ? "" : each.cosine.toFixed(5),
      each.reason === undefined ? "" : `left: ${each.reason}`,
    ]);
    const head = ["tensor", "shape", "bits", "bytes", "SQNR dB", "cosine", ""];
    return { report, text: table([head, ...rows]) };
  } catch (fault) {
    await target.abandon();
    throw fault;
  }
}

/** The names of the types in onnxruntime. */
const TYPES: Readonly<Record<string, string>> = {
  ...{ F32: "float32", F64: "float64", F16: "float16", I64: "int64", I32: "int32" },
  ...{ I16: "int16", I8: "int8", U64: "uint64", U32: "uint32", U16: "uint16", U8: "uint8" },
  BOOL: "bool",
};

/** Inputs of a model: a safetensors file per run, with a tensor per input. */
async function readCalibration(
  files: readonly string[],
  runtime: string | undefined,
): Promise<Calibration> {
  const feeds: OnnxValues[] = [];
  for (const file of files) {
    const bytes = await readFile(file).catch((fault: Error) => {
      throw new Failure(`${file}: ${fault.message}`);
    });
    const feed: Record<string, OnnxValue> = {};
    for (const [name, tensor] of readSafetensors(bytes).tensors) {
      const type = TYPES[tensor.dtype];
      if (!type)
        throw new Failure(`${file}: ${name} has the type ${tensor.dtype}, which no runtime takes`);
      feed[name] = { dims: tensor.shape, data: tensorValues(tensor) as ArrayLike<number>, type };
    }
    feeds.push(feed);
  }
  return { runner: onnxRunner(await findRuntime(runtime)), feeds };
}

/** onnxruntime-node or -web from the folder where the command runs. */
async function findRuntime(given: string | undefined): Promise<OnnxRuntime> {
  const require = createRequire(path.join(process.cwd(), "package.json"));
  const names = given ? [given] : ["onnxruntime-node", "onnxruntime-web"];
  for (const name of names) {
    let file: string;
    try {
      file = require.resolve(name);
    } catch {
      continue;
    }
    const module = await import(pathToFileURL(file).href);
    return module.default?.InferenceSession ? module.default : module;
  }
  throw new Failure(
    "calibration runs the model: npm install onnxruntime-node here, or name a runtime by --runtime",
  );
}
