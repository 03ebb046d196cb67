/** The mutants of a source file: one small change each, found in its syntax tree. */
import { parseSync } from "vite";

const OPERATORS = {
  "+": "-",
  "-": "+",
  "*": "+",
  "/": "*",
  "%": "*",
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "==": "!=",
  "!=": "==",
  "===": "!==",
  "!==": "===",
  "<<": ">>",
  ">>": "<<",
  ">>>": ">>",
  "&": "|",
  "|": "&",
  "^": "|",
  "&&": "||",
  "||": "&&",
  "??": "&&",
};

/** Instructions of the kernels, each with one that is easily taken for it. */
const INSTRUCTIONS = {
  min: "max",
  max: "min",
  pmin: "pmax",
  pmax: "pmin",
  min_s: "max_s",
  max_s: "min_s",
  min_u: "max_u",
  max_u: "min_u",
  add: "sub",
  sub: "add",
  add_sat_s: "add",
  sub_sat_s: "sub",
  narrow_i16x8_s: "narrow_i16x8_u",
  narrow_i16x8_u: "narrow_i16x8_s",
  narrow_i32x4_s: "narrow_i32x4_u",
  lt: "le",
  le: "lt",
  gt: "ge",
  ge: "gt",
  eq: "ne",
  ne: "eq",
  extend_low_i8x16_s: "extend_low_i8x16_u",
  extend_high_i8x16_s: "extend_high_i8x16_u",
  extend_low_i8x16_u: "extend_low_i8x16_s",
  extend_high_i8x16_u: "extend_high_i8x16_s",
  nearest: "trunc",
  trunc: "nearest",
  and: "or",
  or: "and",
  shl: "shr_s",
  shr_s: "shl",
  shr_u: "shr_s",
  any_true: "all_true",
  all_true: "any_true",
};

const COMMUTATIVE = new Set(["add", "mul", "min", "max", "and", "or", "xor", "eq", "ne"]);

/** Names of types and of what only the reader sees have no mutants. */
const SKIPPED = /^(TS|ImportDeclaration$|ExportAllDeclaration$|Decorator$)/;

/**
 * @param {string} file
 * @param {string} text
 * @returns {{ file: string, line: number, from: string, to: string, start: number, end: number,
 *   node: { start: number, end: number, isStatement: boolean } }[]} what stands from `start` to
 *   `end` becomes `to`; `node` is the expression or statement around it
 */
export function mutantsOf(file, text) {
  const { program, errors } = parseSync(file, text, { lang: "ts" });
  if (errors.length > 0) throw new Error(`${file}: ${errors[0].message}`);
  const found = [];
  const of = (node) => text.slice(node.start, node.end);
  const add = ({ type, start: first, end: last }, start, end, to) => {
    const from = text.slice(start, end);
    if (from === to) return;
    const line = text.slice(0, start).split("\n").length;
    const node = { start: first, end: last, isStatement: type === "ThrowStatement" };
    found.push({ file, line, from, to, start, end, node });
  };
  // a ?? b ?? c, of which no part may become && without parentheses
  const chained = new Set();
  const operator = (node) => {
    const to = OPERATORS[node.operator];
    if (node.operator === "??" && node.left.operator === "??") chained.add(node).add(node.left);
    if (chained.has(node)) return;
    const between = text.slice(node.left.end, node.right.start);
    const place = node.left.end + between.indexOf(node.operator);
    // text is joined by +, which has no opposite
    if (node.operator === "+" && /["'`]/.test(of(node))) return;
    if (to) add(node, place, place + node.operator.length, to);
  };
  const call = (node) => {
    const name = node.callee.property?.name ?? node.callee.name;
    const at = node.callee.property ?? node.callee;
    if (INSTRUCTIONS[name]) add(node, at.start, at.end, INSTRUCTIONS[name]);
    const [a, b] = node.arguments;
    const isVector = /x\d+$/.test(node.callee.object?.name ?? "");
    if (isVector && b && !COMMUTATIVE.has(name) && b.type !== "Literal") {
      add(node, a.start, b.end, `${of(b)}${text.slice(a.end, b.start)}${of(a)}`);
    }
  };
  const visit = (node) => {
    if (!node || typeof node.type !== "string" || SKIPPED.test(node.type)) return;
    if (node.type === "BinaryExpression" || node.type === "LogicalExpression") operator(node);
    else if (node.type === "CallExpression") call(node);
    else if (node.type === "UnaryExpression" && "!-".includes(node.operator)) {
      add(node, node.start, node.argument.start, "");
    } else if (node.type === "Literal" && typeof node.value === "number") {
      add(node, node.start, node.end, `${node.value + 1}`);
    } else if (node.type === "ConditionalExpression") {
      add(node.test, node.test.start, node.test.end, `!(${of(node.test)})`);
    } else if (node.type === "IfStatement") {
      add(node.test, node.test.start, node.test.end, `!(${of(node.test)})`);
    } else if (node.type === "ThrowStatement") add(node, node.start, node.end, ";");
    for (const [key, value] of Object.entries(node)) {
      // the name of a property is no value
      if (node.type === "Property" && key === "key" && !node.computed) continue;
      if (key === "typeAnnotation" || key === "typeArguments" || key === "returnType") continue;
      for (const child of Array.isArray(value) ? value : [value]) visit(child);
    }
  };
  visit(program);
  return found;
}

/** A file with one mutant in it. */
export function withMutant(text, { start, end, to }) {
  return text.slice(0, start) + to + text.slice(end);
}

/**
 * A file with all its mutants in it, each behind a switch, `(is(7) ? a <= b : a < b)`, so that one
 * bundle runs as any of them. Mutants need an `id`.
 */
export function withSwitches(text, mutants) {
  const nodes = new Map();
  for (const mutant of mutants) {
    const key = `${mutant.node.start} ${mutant.node.end}`;
    nodes.set(key, [...(nodes.get(key) ?? []), mutant]);
  }
  // outer nodes first
  const groups = [...nodes.values()].sort(
    ([a], [b]) => a.node.start - b.node.start || b.node.end - a.node.end,
  );
  const render = (start, end, inner) => {
    let [out, at] = ["", start];
    for (let i = 0; i < inner.length; ) {
      const { node } = inner[i][0];
      let next = i + 1;
      while (next < inner.length && inner[next][0].node.end <= node.end) next++;
      const original = render(node.start, node.end, inner.slice(i + 1, next));
      out += text.slice(at, node.start) + switched(text, inner[i], original);
      at = node.end;
      i = next;
    }
    return out + text.slice(at, end);
  };
  return render(0, text.length, groups);
}

function switched(text, mutants, original) {
  const { node } = mutants[0];
  if (node.isStatement) return `if (!${test(mutants[0])}) ${original}`;
  const changed = mutants.map((mutant) => {
    const before = text.slice(node.start, mutant.start);
    return `${test(mutant)} ? (${before}${mutant.to}${text.slice(mutant.end, node.end)}) : `;
  });
  return `(${changed.join("")}(${original}))`;
}

const test = ({ id }) => `globalThis.__mutants.is(${id})`;
