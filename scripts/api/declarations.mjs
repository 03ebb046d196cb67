/** Turns the declarations of the entries into the model that the reference is rendered from. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { Comment, CommentTag, Converter } from "typedoc";

/** Sections of the reference in reading order. Each file of src names its own after @category. */
export const CATEGORIES = [
  ...["Instances", "Data", "Parameters", "Quantize and dequantize", "Elementwise and reductions"],
  ...["Products", "Layers", "Four bits", "Search", "Networks", "Observers", "Explanations"],
  ...["Mixed precision", "Narrow integers", "Other formats", "Files", "GGUF files"],
  ...["Blocks of ggml", "ONNX models", "Operations on workers", "Conformance", "*"],
];

/**
 * The entries of package.json that have types: specifier, name of the page, declarations, source.
 */
export function entriesOf(root, types) {
  const { name, exports } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
  return Object.entries(exports).flatMap(([key, { types: declared }]) => {
    if (!declared) return [];
    const module = path.relative("dist/types", declared).replace(/\.d\.ts$/, "");
    return {
      specifier: path.posix.join(name, key),
      page: key === "." ? name : key.slice(2),
      module,
      declarations: path.join(types, `${module}.d.ts`),
    };
  });
}

/** The comment that a file of src begins with: what the file is about, and its category. */
function headOf(root, module) {
  const file = path.join(root, "src", `${module}.ts`);
  const source = existsSync(file) ? readFileSync(file, "utf8") : "";
  const text = /^\/\*\*([\s\S]*?)\*\//.exec(source)?.[1].replace(/^\s*\* ?/gm, "") ?? "";
  const [about, category] = text.split("@category ");
  return { about: about.trim(), category: category?.trim() };
}

const textOf = (text) => [{ kind: "text", text }];

/** Links to docs/, which is next door to the pages. */
function linkComment(comment) {
  for (const part of comment?.summary ?? []) {
    if (part.kind !== "text") continue;
    part.text = part.text.replace(/(?<!\[)\bdocs\/([\w-]+\.md)\b/g, "[$1](../$1)");
  }
}

/** Hooks the arranging into a conversion. `types` is the folder of all declarations. */
export function arrange(app, { entries, types, root }) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    const moduleOf = (reflection) => {
      const file = project.getSymbolIdFromReflection(reflection).fileName;
      return path.relative(types, file).replace(/\.d\.ts$/, "");
    };
    for (const entry of entries) {
      const module = project.children.find((child) => moduleOf(child) === entry.module);
      module.name = entry.page;
      const { about } = headOf(root, entry.module);
      module.comment = new Comment(textOf(about));
      for (const child of module.children) {
        if (child.isReference()) continue;
        const { about: ofFile, category } = headOf(root, moduleOf(child));
        // the comment of a file is not that of its first declaration
        const summary = Comment.combineDisplayParts(child.comment?.summary).trim();
        if (ofFile && summary === ofFile) child.comment = undefined;
        child.comment ??= new Comment();
        child.comment.removeTags("@category");
        const tag = new CommentTag("@category", textOf(category ?? "Others"));
        child.comment.blockTags.push(tag);
      }
    }
    for (const reflection of Object.values(project.reflections)) linkComment(reflection.comment);
  });
}

/** Public names that nothing is said of, such as "bytelane/load: LoadOptions". */
export function undocumented(project, entries) {
  const isSaid = ({ comment }) => Boolean(comment?.summary.length);
  return project.children.flatMap((module) => {
    const { specifier } = entries.find(({ page }) => page === module.name);
    return module.children
      .filter((child) => !child.isReference())
      .filter((child) => !isSaid(child) && !child.signatures?.some(isSaid))
      .map(({ name }) => `${specifier}: ${name}`);
  });
}
