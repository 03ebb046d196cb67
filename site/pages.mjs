/** The pages of the site: guides and playgrounds, the documents, and the recipes as code. */
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";

/** Where pages of the repository stand on the site. */
const PLACES = [
  [/^site\/(guide|play)\/(.*)$/, "$1/$2"],
  [/^docs\/(.*)$/, "docs/$1"],
  [/^(README|CONTRIBUTING|CHANGELOG|SECURITY)\.md$/, "docs/$1.md"],
  [/^examples\/README\.md$/, "recipes.md"],
  // a recipe is a section of that page
  [/^examples\/([\w/.-]+)\.(mjs|js|ts|jsx)$/, "recipes.md#$1"],
];

/** The address on the site of a file of the repository, or undefined for what is not there. */
export function placeOf(file) {
  for (const [from, to] of PLACES) if (from.test(file)) return file.replace(from, to);
}

const anchorOf = (file) =>
  file
    .replace(/\.(mjs|js|ts|jsx)$/, "")
    .toLowerCase()
    .replaceAll(/[^\w-]+/g, "-");

/** Links between files of the repository as links of the site; those to sources become text. */
export function rewriteLinks(text, source) {
  const outside = text.split(/(^```[\s\S]*?^```)/m);
  return outside
    .map((part, i) =>
      i % 2 === 1
        ? part
        : part.replaceAll(/(!?)\[([^\]]*)\]\(([^)\s]+)\)/g, (whole, image, words, target) => {
            if (/^(?:[a-z]+:|#|\/)/i.test(target)) return whole;
            const [file, anchor] = target.split("#");
            const found = path.posix.join(path.posix.dirname(source), file);
            const place = placeOf(found);
            if (!place) return image ? "" : words;
            if (image) return `![${words}](/${place})`;
            if (place.startsWith("recipes.md#")) {
              return `[${words}](/recipes#${anchorOf(place.slice("recipes.md#".length))})`;
            }
            return `[${words}](/${place.replace(/\.md$/, "")}${anchor ? `#${anchor}` : ""})`;
          }),
    )
    .join("");
}

/** Markdown that another reader takes literally, and Vue would compile. */
const literal = (text) =>
  text
    .split(/(^```[\s\S]*?^```|`[^`\n]*`)/m)
    .map((part, i) => (i % 2 === 1 ? part : part.replaceAll("{{", "&#123;&#123;")))
    .join("");

const markdownIn = (root, folder) =>
  readdirSync(path.join(root, folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `${folder}/${name}`);

function recipes(root) {
  const list = readFileSync(path.join(root, "examples/README.md"), "utf8");
  const names = readdirSync(path.join(root, "examples"), { recursive: true })
    .map((name) => name.replaceAll("\\", "/"))
    .filter((name) => /\.(mjs|js|ts|jsx)$/.test(name) && !/^(calibration|runtimes)\//.test(name))
    .sort();
  const sections = names.map((name) => {
    const code = readFileSync(path.join(root, "examples", name), "utf8");
    const language = name.endsWith("jsx") ? "jsx" : name.endsWith("ts") ? "ts" : "js";
    return `## ${name} {#${anchorOf(name)}}\n\n\`\`\`${language}\n${code.trim()}\n\`\`\`\n`;
  });
  return `${rewriteLinks(list, "examples/README.md")}\n${sections.join("\n")}`;
}

/** Writes all pages, pictures and data into the folder that the generator reads. */
export function writePages(root, target, data) {
  rmSync(target, { recursive: true, force: true });
  const put = (name, text) => {
    const file = path.join(target, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  };
  const files = [
    ...["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"],
    ...["docs", "docs/api", "site/guide", "site/play"].flatMap((each) => markdownIn(root, each)),
  ];
  for (const file of files) {
    const text = readFileSync(path.join(root, file), "utf8");
    const place = placeOf(file).replace(/api\/README\.md$/, "api/index.md");
    const page = rewriteLinks(text, file).replaceAll("/docs/api/README", "/docs/api/");
    put(place, file.startsWith("site/play") ? page : literal(page));
  }
  put("index.md", readFileSync(path.join(root, "site/index.md"), "utf8"));
  put("recipes.md", recipes(root));
  for (const name of readdirSync(path.join(root, "docs")).filter((each) => each.endsWith(".svg"))) {
    mkdirSync(path.join(target, "public/docs"), { recursive: true });
    copyFileSync(path.join(root, "docs", name), path.join(target, "public/docs", name));
  }
  copyFileSync(path.join(root, "site/logo.svg"), path.join(target, "public/logo.svg"));
  if (existsSync(data)) cpSync(data, path.join(target, "public/data"), { recursive: true });
}
