#!/usr/bin/env node
/** The command `bytelane`. Exit status: 0 done, 1 failed, 2 wrong use. */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { examine } from "../cli/doctor.ts";
import { Failure } from "../cli/failure.ts";
import { closeFiles } from "../cli/files.ts";
import { compareFiles, explainTensor, inspectFile } from "../cli/look.ts";
import { type QuantizeFlags, quantizeFile } from "../cli/quantize.ts";
import type { Bytelane } from "../core/instance.ts";
import { version } from "../core/version.ts";
import { createBytelane } from "./index.ts";

const number = (text: string): number => {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value))
    throw new InvalidArgumentError("Expected a number.");
  return value;
};

/** One of a few words or numbers. */
function choice(flags: string, about: string, values: readonly (string | number)[]): Option {
  const option = new Option(flags, about).choices(values.map(String));
  if (typeof values[0] !== "number") return option;
  const check = option.parseArg as (text: string, before: unknown) => unknown;
  return option.argParser((text, before) => Number(check(text, before)));
}

const run =
  <A extends unknown[]>(action: (instance: Bytelane, ...args: A) => Promise<void>) =>
  async (...args: A): Promise<void> => {
    const instance = await createBytelane();
    try {
      await action(instance, ...args);
    } finally {
      instance.dispose();
      await closeFiles();
    }
  };

const JSON_FLAG = ["--json", "print JSON instead of a table"] as const;

const program = new Command("bytelane")
  .description("int8 and int4 quantization of model files, without Python")
  .version(version)
  .showHelpAfterError("(--help lists what there is)")
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error:/, "bytelane:")) });

program
  .command("quantize")
  .description(
    "write a smaller model (*.onnx) or checkpoint (*.safetensors, *.safetensors.index.json)",
  )
  .argument("<file>")
  .option("-o, --output <file>", "where to write (default: FILE.q4.onnx and the like)")
  .addOption(
    choice("--mode <mode>", "what is quantized (default: weights)", [
      "weights",
      "dynamic",
      "static",
    ]),
  )
  .addOption(
    choice(
      "--bits <bits>",
      "of weights; 16 is f16 (default: 4 for onnx, 8 for safetensors)",
      [4, 8, 16],
    ),
  )
  .addOption(
    choice(
      "--block-size <n>",
      "weights that share a scale (default: 32, of 8 bits 128)",
      [16, 32, 64, 128, 256],
    ),
  )
  .addOption(
    choice("--scheme <scheme>", "asymmetric stores zero points", ["symmetric", "asymmetric"]),
  )
  .addOption(
    choice("--method <method>", "how codes are chosen (default: search)", [
      "nearest",
      "search",
      "gptq",
    ]),
  )
  .addOption(choice("--pointwise <form>", "1 × 1 convolutions", ["dequantize", "matmul"]))
  .addOption(choice("--accuracy-level <n>", "of MatMulNBits", [0, 1, 2, 3, 4]))
  .option("--min-elements <n>", "smaller tensors stay as they are (default: 1024)", number)
  .option("--keep <names...>", "tensors that stay as they are")
  .option(
    "--inputs <files...>",
    "inputs for calibration: a *.safetensors per run, a tensor per input",
  )
  .option(
    "--runtime <package>",
    "what runs the model (default: onnxruntime-node, then onnxruntime-web)",
  )
  .addOption(choice("--weight-bits <n>", "7 where a processor saturates sums in 16 bits", [7, 8]))
  .addOption(
    choice("--depthwise <form>", "depthwise convolutions in static mode", ["float", "quantize"]),
  )
  .option(
    "--sensitive <share>",
    "loss that may remain in static mode, 0 to 1 (default: 0.2)",
    number,
  )
  .option("--no-bias-correction", "leave the biases of static mode alone")
  .option("--plan-bits <n>", "bits per weight, chosen per tensor by what each loses", number)
  .option("--plan-bytes <n>", "the same for bytes of weights", number)
  .option("--external-data <name>", "a file beside the output for large tensors")
  .option("--force", "write over files that exist")
  .option(...JSON_FLAG)
  .action(
    run((instance, file: string, flags: QuantizeFlags) => quantizeFile(instance, file, flags)),
  );

program
  .command("inspect")
  .description("list tensors, types, bytes, and a small histogram each")
  .argument("<file>")
  .option("--no-histograms", "read headers alone")
  .option(...JSON_FLAG)
  .action(
    run((instance, file: string, flags: { histograms: boolean }) =>
      inspectFile(instance, file, flags),
    ),
  );

program
  .command("explain")
  .description("show what every calibration method makes of one tensor")
  .argument("<file>")
  .argument("<tensor>")
  .option("--bits <n>", "2 to 8 (default: 8)", number)
  .addOption(choice("--scheme <scheme>", "(default: symmetric)", ["symmetric", "asymmetric"]))
  .option(...JSON_FLAG)
  .action(
    run((instance, file: string, tensor: string, flags: object) =>
      explainTensor(instance, file, tensor, flags),
    ),
  );

program
  .command("compare")
  .description("show per tensor what a quantized file lost")
  .argument("<before>")
  .argument("<after>")
  .option("--min-sqnr <dB>", "fail where a tensor has less", number)
  .option(...JSON_FLAG)
  .action(
    run((instance, before: string, after: string, flags: object) =>
      compareFiles(instance, before, after, flags),
    ),
  );

program
  .command("doctor")
  .description("show the runtime, the build and why it was chosen, and check its results")
  .option("--no-conformance", "skip the published vectors")
  .option(...JSON_FLAG)
  .action(run((instance, flags: { conformance: boolean }) => examine(instance, flags)));

try {
  await program.parseAsync();
} catch (fault) {
  if (fault instanceof CommanderError) {
    // commander has printed its message; help and version end well
    process.exitCode = fault.exitCode === 0 ? 0 : 2;
  } else {
    const isExpected =
      fault instanceof Failure || fault instanceof RangeError || fault instanceof TypeError;
    const { message, name } = fault as Error;
    console.error(`bytelane: ${isExpected ? message : `${name}: ${message}`}`);
    process.exitCode = 1;
  }
}
