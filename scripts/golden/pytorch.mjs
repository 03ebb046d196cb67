/** Runs PyTorch (its build for Debian: without FBGEMM, quantized layers by QNNPACK). */
import * as cases from "./cases.mjs";
import { ask } from "./python.mjs";

const SCHEMES = [
  { dtype: "i8", scheme: "symmetric", bits: 8 },
  { dtype: "u8", scheme: "symmetric", bits: 8 },
  { dtype: "i8", scheme: "symmetric", bits: 7 },
  { dtype: "i8", scheme: "asymmetric", bits: 8 },
  { dtype: "u8", scheme: "asymmetric", bits: 8 },
  { dtype: "i8", scheme: "asymmetric", bits: 7 },
  { dtype: "u8", scheme: "asymmetric", bits: 7 },
];

const BEYOND = "what does not fit the conversion to i64, NaN too, becomes its least value: qmin";
const CHOICE = {
  zeros: "of nothing but 0 the step is 0.1",
  tiny: "a step below 6.1e-5 is widened to that",
  "least normal range": "a step below 6.1e-5 is widened to that",
};

function refusal(operation, { name }) {
  if (operation === "quantizeDynamic") return CHOICE[name];
  if (operation === "quantize" && ["huge", "infinite", "NaN"].includes(name)) return BEYOND;
  return undefined;
}

export async function run({ progress }) {
  const min = Float32Array.from(cases.ranges, ([low]) => low);
  const max = Float32Array.from(cases.ranges, ([, high]) => high);
  const lists = {
    quantize: [...cases.quantizeCases, ...cases.specialCases],
    dequantize: cases.dequantizeCases,
    quantizeDynamic: cases.dynamicCases.filter(({ name }) => !/NaN|infinite/.test(name)),
    chooseParams: SCHEMES.map((scheme) => ({
      name: Object.values(scheme).join(" "),
      ...scheme,
      min,
      max,
    })),
    requantize: cases.requantizeCases.map((item) => ({ ...item, rounding: "float" })),
  };
  const requests = Object.entries(lists).flatMap(([operation, items]) =>
    items.map((item) => ({ operation, item })),
  );
  progress("PyTorch");
  const { versions, answers } = ask("torch_reference.py", requests, {
    packages: "Debian's python3-torch and python3-numpy",
  });
  const vectors = requests.map(({ operation, item }, i) => ({
    ...{ operation, profile: "pytorch", item },
    ran: [versions.ran],
    refusal: refusal(operation, item),
    outputs: answers[i],
  }));
  return { reference: "PyTorch", vectors };
}
