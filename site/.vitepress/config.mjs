import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { exports } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));

/** Each entry of the package is the file that a bundler would take. */
const alias = Object.entries(exports)
  .filter(([, each]) => each.default)
  .map(([key, { default: file }]) => ({
    find: new RegExp(`^${path.posix.join("bytelane", key)}$`),
    replacement: path.join(root, file),
  }));

/** Where the site is served, such as "/bytelane/". */
const BASE = process.env.SITE_BASE ?? "/";

const guide = (text, name) => ({ text, link: `/guide/${name}` });
const document = (name, text = name) => ({ text, link: `/docs/${name}` });

const GUIDES = [
  ...[guide("Quick start", "quick-start"), guide("Calibration", "calibration")],
  ...[guide("Layers and int4", "layers"), guide("Search", "search")],
  ...[guide("Convolutions", "convolutions"), guide("Files", "files"), guide("Workers", "workers")],
  ...[guide("Runtimes", "runtimes"), guide("Memory", "memory")],
  ...[guide("Exactness and profiles", "exactness"), guide("Migrating", "migrating")],
  guide("Questions", "faq"),
];

const PLAYS = [
  { text: "Calibrate", link: "/play/calibrate" },
  { text: "Search", link: "/play/search" },
  { text: "Read a line", link: "/play/read" },
  { text: "Your machine", link: "/play/machine" },
];

const API = readdirSync(path.join(root, "docs/api"))
  .filter((name) => name.endsWith(".md") && name !== "README.md")
  .map((name) => name.replace(".md", ""))
  .map((name) => ({ text: name, link: `/docs/api/${name}` }));

const DOCUMENTS = [
  ...[document("glossary", "Glossary"), document("math", "Mathematics")],
  ...[document("performance", "Performance"), document("accuracy", "Accuracy")],
  ...[document("conformance", "Conformance"), document("calibration", "Calibration")],
  ...[document("formats", "Formats"), document("search", "Search"), document("nn", "nn")],
  ...[document("onnx", "ONNX"), document("safetensors", "safetensors")],
  ...[document("command", "The command"), document("size", "Size"), document("builds", "Builds")],
  ...[document("worked-examples", "Worked examples"), document("architecture", "Architecture")],
  ...[document("lab", "Experiments"), document("CONTRIBUTING", "Contributing")],
  ...[document("SECURITY", "Security"), document("CHANGELOG", "Changes")],
];

/**
 * What several chunks of a worker share, in a chunk of its own. WebKit evaluates the module of a
 * worker once more when another chunk imports it, and there would be two classes of each name.
 */
const shareLibrary = (id) => (/\/dist\/(index|shared-\w+)\.js$/.test(id) ? "bytelane" : undefined);

/** uPlot writes numbers in the language of the browser, and throws where that is "C". */
function speakEnglish() {
  const asked = "new Intl.NumberFormat(domEnv ? nav.language : 'en-US')";
  return {
    name: "english-numbers",
    transform(code, id) {
      if (!/uPlot\.esm\.js/.test(id)) return;
      if (!code.includes(asked)) throw new Error(`"uplot" expected ${asked}`);
      return code.replace(asked, "new Intl.NumberFormat('en-US')");
    },
  };
}

const GUIDE = [
  { text: "Guide", items: [...GUIDES, { text: "Recipes", link: "/recipes" }] },
  { text: "Playground", items: PLAYS },
];

export default {
  title: "Bytelane",
  description: "int8 and int4 quantization for JavaScript",
  lang: "en",
  head: [["link", { rel: "icon", type: "image/svg+xml", href: `${BASE}logo.svg` }]],
  base: BASE,
  srcDir: "../build/site-pages",
  outDir: "../build/site",
  cacheDir: "../build/site-cache",
  cleanUrls: false,
  metaChunk: true,
  markdown: { theme: { light: "github-light-high-contrast", dark: "github-dark-high-contrast" } },
  themeConfig: {
    nav: [
      { text: "Guide", link: "/guide/quick-start", activeMatch: "/guide/" },
      { text: "Playground", items: PLAYS },
      { text: "Recipes", link: "/recipes" },
      { text: "Reference", link: "/docs/api/", activeMatch: "/docs/api/" },
      { text: "Documents", link: "/docs/README", activeMatch: "/docs/(?!api)" },
    ],
    sidebar: {
      "/guide/": GUIDE,
      "/play/": GUIDE,
      "/recipes": GUIDE,
      "/docs/api/": [
        { text: "Reference", items: [{ text: "Entries", link: "/docs/api/" }, ...API] },
      ],
      "/docs/": [{ text: "Documents", items: DOCUMENTS }],
    },
    outline: [2, 3],
    search: { provider: "local" },
  },
  vite: {
    resolve: { alias },
    plugins: [speakEnglish()],
    worker: { format: "es", rollupOptions: { output: { manualChunks: shareLibrary } } },
    build: { target: "es2022", chunkSizeWarningLimit: 2000 },
    server: { fs: { allow: [root] } },
  },
};
