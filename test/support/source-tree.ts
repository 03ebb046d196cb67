/** The source files of the repository as syntax trees, for the rules of test/house.test.ts. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync } from "vite";

export const ROOT = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));

export interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

export interface SourceFile {
  /** Relative to the root of the repository, with forward slashes. */
  readonly name: string;
  readonly text: string;
  readonly program: SyntaxNode;
  /** Files of the repository that it imports or re-exports from. */
  readonly imports: readonly string[];
}

export interface FunctionInfo {
  readonly name: string;
  readonly lines: number;
  readonly parameters: number;
}

/** Names of the files that git tracks or would track, without what a build writes. */
export function trackedFiles(...patterns: string[]): string[] {
  const args = ["ls-files", "--cached", "--others", "--exclude-standard", "--", ...patterns];
  const names = execFileSync("git", args, { cwd: ROOT, encoding: "utf8" }).split("\n");
  return names.filter((name) => name && existsSync(path.join(ROOT, name))).sort();
}

export function readText(name: string): string {
  return readFileSync(path.join(ROOT, name), "utf8");
}

/** AssemblyScript parses as TypeScript: its own words are types and calls. */
export function parseFile(name: string): SourceFile {
  const text = readText(name);
  const { program, errors, module } = parseSync(name, text, { lang: "ts" });
  if (errors.length > 0) throw new Error(`${name}: ${errors[0].message}`);
  const modules = [
    ...module.staticImports.map((each) => each.moduleRequest.value),
    ...module.staticExports.flatMap(({ entries }) =>
      entries.flatMap(({ moduleRequest }) => (moduleRequest ? [moduleRequest.value] : [])),
    ),
  ];
  const imports = modules
    .filter((each) => each.startsWith("."))
    .map((each) => resolveImport(path.posix.join(path.posix.dirname(name), each)));
  return { name, text, program: program as unknown as SyntaxNode, imports: [...new Set(imports)] };
}

/** AssemblyScript leaves the ending out, and `index` too. */
function resolveImport(target: string): string {
  const found = [target, `${target}.ts`, `${target}/index.ts`].find(
    (each) => path.posix.extname(each) !== "" && existsSync(path.join(ROOT, each)),
  );
  return found ?? target;
}

/** Calls `visit` with every node and the chain of nodes above it, outermost first. */
export function walk(
  node: SyntaxNode,
  visit: (node: SyntaxNode, above: readonly SyntaxNode[]) => void,
  above: readonly SyntaxNode[] = [],
): void {
  visit(node, above);
  const below = [...above, node];
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof child?.type === "string") walk(child as SyntaxNode, visit, below);
    }
  }
}

/** Functions, methods and function expressions, with the name that a reader would give them. */
export function functionsOf({ text, program }: SourceFile): FunctionInfo[] {
  const found: FunctionInfo[] = [];
  walk(program, (node, above) => {
    const kind = /^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/;
    if (!kind.test(node.type) || !node.body) return;
    const holder = above[above.length - 1] as SyntaxNode | undefined;
    const named = (node.id ?? holder?.key ?? holder?.id) as { name?: string } | null | undefined;
    found.push({
      name: named?.name ?? "(anonymous)",
      lines: text.slice(node.start, node.end).split("\n").length,
      parameters: (node.params as unknown[]).length,
    });
  });
  return found;
}

/**
 * Numeric constants of a file by name, as far as they are literals or products and powers of such.
 */
export function constantsOf({ program }: SourceFile): Map<string, number> {
  const found = new Map<string, number>();
  walk(program, (node) => {
    if (node.type !== "VariableDeclarator") return;
    const { name } = node.id as { name?: string };
    const value = evaluate(node.init as SyntaxNode | null);
    if (name && value !== undefined) found.set(name, value);
  });
  return found;
}

function evaluate(node: SyntaxNode | null): number | undefined {
  if (node?.type === "Literal") return typeof node.value === "number" ? node.value : undefined;
  if (node?.type === "UnaryExpression" && node.operator === "-") {
    const value = evaluate(node.argument as SyntaxNode);
    return value === undefined ? undefined : -value;
  }
  if (node?.type !== "BinaryExpression") return undefined;
  const left = evaluate(node.left as SyntaxNode);
  const right = evaluate(node.right as SyntaxNode);
  if (left === undefined || right === undefined) return undefined;
  switch (node.operator) {
    case "+":
      return left + right;
    case "-":
      return left - right;
    case "*":
      return left * right;
    case "**":
      return left ** right;
    case "<<":
      return left << right;
    default:
      return undefined;
  }
}

/** One circle of imports among the nodes of a graph, as a list that ends where it begins. */
export function findCircle(graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>();
  const visit = (name: string, path: readonly string[]): string[] | undefined => {
    const begin = path.indexOf(name);
    if (begin >= 0) return [...path.slice(begin), name];
    if (done.has(name)) return undefined;
    for (const next of graph.get(name) ?? []) {
      const circle = visit(next, [...path, name]);
      if (circle) return circle;
    }
    done.add(name);
    return undefined;
  };
  for (const name of graph.keys()) {
    const circle = visit(name, []);
    if (circle) return circle;
  }
  return undefined;
}
