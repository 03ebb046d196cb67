/** Turns the declarations of the entries into the model that the reference is rendered from. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { Comment, CommentTag, Converter, ReflectionFlag, ReflectionKind } from "typedoc";
import { FAMILIES } from "./families.mjs";

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
      source: path.join(root, "src", `${module}.ts`),
    };
  });
}

/** The comment that a file begins with. */
function aboutFile(file) {
  const [, text] = /^\/\*\*([\s\S]*?)\*\//.exec(readFileSync(file, "utf8")) ?? [];
  if (!text)
    throw new Error(`"${path.basename(file)}" expected a comment that begins it, got none`);
  return text.replace(/^\s*\* ?/gm, "").trim();
}

const plainText = (text) => text.replace(/\s+/g, " ").trim();
const textOf = (text) => [{ kind: "text", text }];

function familyOf(module, name) {
  const [heading] = FAMILIES.find(([, files]) => files.includes(module)) ?? [];
  if (!heading) process.stderr.write(`families.mjs lists no ${module}, the file of ${name}\n`);
  return heading ?? "Others";
}

/** A getter reads as a property. */
function simplifyAccessor(project, reflection) {
  const { getSignature } = reflection;
  if (!getSignature) return;
  reflection.kind = ReflectionKind.Property;
  reflection.type = getSignature.type;
  reflection.comment = getSignature.comment;
  reflection.setFlag(ReflectionFlag.Readonly, !reflection.setSignature);
  reflection.getSignature = undefined;
  project.removeReflection(getSignature);
}

/** What follows "Errors" is a paragraph of its own, and docs/ is next door. */
function arrangeComment(comment) {
  for (const part of comment?.summary ?? []) {
    if (part.kind !== "text") continue;
    part.text = part.text
      .replace(/(^|\n+)(Errors\b[^:.\n]*:)/g, (_, gap, word) => `${gap && "\n\n"}*${word}*`)
      .replace(/\bdocs\/(\w+\.md)\b/g, "[$1](../$1)");
  }
}

/** The names that a page takes over from others, as a sentence each. */
function sentencesOf(references) {
  const homes = new Map();
  for (const reference of references) {
    const { name } = reference.getTargetReflectionDeep().parent;
    homes.set(name, [...(homes.get(name) ?? []), `\`${reference.name}\``]);
  }
  return Array.from(homes, ([home, names]) => {
    const what = names.length > 12 ? "all operations and their types" : names.sort().join(", ");
    return `\n\nAlso ${what}, as in [${home}](${home}.md).`;
  });
}

/** Hooks the arranging into a conversion. `types` is the folder of all declarations. */
export function arrange(app, { entries, types, root }) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    const moduleOf = (reflection) => {
      const file = project.getSymbolIdFromReflection(reflection).fileName;
      return path.relative(types, file).replace(/\.d\.ts$/, "");
    };
    const modules = entries.map((entry) => {
      const module = project.children.find((child) => moduleOf(child) === entry.module);
      module.name = entry.page;
      return module;
    });
    // a file that only hands names on has its comment taken for that of the first of them
    const files = [...entries.map(({ source }) => source), path.join(root, "src", "operations.ts")];
    const abouts = new Set(files.map((file) => plainText(aboutFile(file))));
    const isAbout = ({ comment }) =>
      abouts.has(plainText(Comment.combineDisplayParts(comment?.summary)));
    for (const [i, module] of modules.entries()) {
      const references = module.children.filter((child) => child.isReference());
      const sentences = sentencesOf(references);
      module.comment = new Comment(textOf(aboutFile(entries[i].source) + sentences.join("")));
      for (const child of module.children) {
        if (child.isReference()) continue;
        if (isAbout(child)) child.comment = undefined;
        child.comment ??= new Comment();
        const family = familyOf(moduleOf(child), child.name);
        child.comment.blockTags.push(new CommentTag("@category", textOf(family)));
      }
    }
    // only now: a page names what it takes over from a page that is arranged later
    for (const each of modules.flatMap(({ children }) => children)) {
      if (each.isReference()) project.removeReflection(each);
    }
    for (const reflection of Object.values(project.reflections)) {
      if (reflection.kind === ReflectionKind.Accessor) simplifyAccessor(project, reflection);
      arrangeComment(reflection.comment);
    }
  });
}

/** Public names that nothing is said of, such as "bytelane/load: LoadOptions". */
export function undocumented(project, entries) {
  const isSaid = ({ comment }) => Boolean(comment?.summary.length);
  return project.children.flatMap((module) => {
    const { specifier } = entries.find(({ page }) => page === module.name);
    return module.children
      .filter((child) => !isSaid(child) && !child.signatures?.some(isSaid))
      .map(({ name }) => `${specifier}: ${name}`);
  });
}
