/** Runs the references that are Python programs, with Debian's interpreter and packages. */
import { execFileSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { decode, encode } from "./tensors.mjs";

const PYTHON = "/usr/bin/python3";
const folder = path.dirname(fileURLToPath(import.meta.url));

const mapped = (object, change) =>
  Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]));

/** Tensors of any depth become arrays that know their shape. */
function opened(value) {
  if (Array.isArray(value)) return value.map(opened);
  if (value === null || typeof value !== "object") return value;
  if (value.base64 === undefined) return mapped(value, opened);
  return value.shape ? { array: decode(value), shape: value.shape } : decode(value);
}

/** Asks a script for one answer a request [{ operation, item }]. */
export function ask(script, requests, { packages, environment = {} }) {
  const body = requests.map(({ operation, item }) => ({
    operation,
    item: mapped(item, (value) => (ArrayBuffer.isView(value) ? encode(value) : value)),
  }));
  let text;
  try {
    text = execFileSync(PYTHON, ["-W", "ignore", path.join(folder, script)], {
      input: JSON.stringify(body),
      env: { ...process.env, ...environment, PYTHONPATH: folder, PYTHONDONTWRITEBYTECODE: "1" },
      stdio: ["pipe", "pipe", "pipe"],
      maxBuffer: 1 << 26,
    });
  } catch (error) {
    const reason = String(error.stderr ?? error.message)
      .trim()
      .split("\n")
      .at(-1);
    throw new Error(`${script} expected ${PYTHON} with ${packages}, got: ${reason}`);
  }
  const { versions, answers } = JSON.parse(text);
  return { versions, answers: answers.map(opened) };
}
