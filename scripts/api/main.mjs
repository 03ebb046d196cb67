/**
 * Writes docs/api: what every entry of the package exports, from the docstrings in its
 * declarations.
 *
 *   npm run api [-- --check]      --check writes nothing, and fails where a page is stale
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Application, LogLevel } from "typedoc";
import { arrange, entriesOf, undocumented } from "./declarations.mjs";
import { FAMILIES } from "./families.mjs";
import { arrangePages, indexOf } from "./pages.mjs";
import { ReferenceTheme } from "./theme.mjs";

const { values: options } = parseArgs({
  options: { check: { type: "boolean", default: false }, json: { type: "string" } },
});

const root = fileURLToPath(new URL("../../", import.meta.url));
const types = path.join(root, "build", "api", "types");
const pages = path.join(root, "build", "api", "pages");
const published = path.join(root, "docs", "api");

/** The declarations as they are published, made anew so that an old build cannot pass for them. */
function declare() {
  const require = createRequire(path.join(root, "package.json"));
  const manifest = require.resolve("typescript/package.json");
  const { bin } = JSON.parse(readFileSync(manifest, "utf8"));
  const tsc = path.join(path.dirname(manifest), bin.tsc);
  rmSync(types, { recursive: true, force: true });
  const args = ["--project", path.join(root, "tsconfig.build.json"), "--outDir", types];
  execFileSync(process.execPath, [tsc, ...args], { stdio: "inherit" });
}

/** What the model is made with: a program of the declarations alone. */
function configure() {
  const file = path.join(root, "build", "api", "tsconfig.json");
  const compilerOptions = {
    ...{ target: "ES2022", module: "ESNext", moduleResolution: "bundler", noEmit: true },
    ...{ lib: ["ES2023", "DOM", "ESNext.Disposable"], types: [], strict: true, skipLibCheck: true },
  };
  writeFileSync(file, JSON.stringify({ compilerOptions, include: ["types/**/*.d.ts"] }));
  return file;
}

declare();
const entries = entriesOf(root, types);
const app = await Application.bootstrapWithPlugins({
  tsconfig: configure(),
  basePath: types,
  entryPoints: entries.map(({ declarations }) => declarations),
  plugin: ["typedoc-plugin-markdown"],
  name: "API reference",
  markdown: pages,
  readme: "none",
  useHTMLAnchors: true,
  expandObjects: true,
  router: "module",
  sort: ["kind", "source-order"],
  kindSortOrder: ["Function", "Class", "Interface", "TypeAlias", "Variable"],
  sortEntryPoints: false,
  categorizeByGroup: false,
  categoryOrder: FAMILIES.map(([heading]) => heading),
  disableSources: true,
  disableGit: true,
  excludePrivate: true,
  excludeProtected: true,
  excludeInternal: true,
  hideBreadcrumbs: true,
  hidePageHeader: true,
  expandParameters: true,
  parametersFormat: "none",
  interfacePropertiesFormat: "table",
  classPropertiesFormat: "table",
  typeAliasPropertiesFormat: "table",
  typeDeclarationFormat: "table",
  pageTitleTemplates: {
    index: "API reference",
    module: ({ name }) => entries.find(({ page }) => page === name).specifier,
    member: "{name}",
  },
  tableColumnSettings: {
    hideInherited: true,
    hideOverrides: true,
    hideModifiers: true,
    hideDefaults: true,
  },
  validation: { notExported: false },
  logLevel: LogLevel.Warn,
});
app.renderer.defineTheme("reference", ReferenceTheme);
app.options.setValue("theme", "reference");
arrange(app, { entries, types, root });
const project = await app.convert();
if (!project || app.logger.hasErrors()) throw new Error("typedoc could not read the declarations");
rmSync(pages, { recursive: true, force: true });
await app.generateOutputs(project);

const rendered = entries.map(({ page }) => [
  `${page}.md`,
  readFileSync(path.join(pages, `${page}.md`), "utf8"),
]);
const arranged = arrangePages(rendered);
arranged.set("README.md", indexOf(entries, arranged));

const silent = undocumented(project, entries);
if (silent.length > 0) {
  process.stderr.write(`nothing is said of ${silent.length} names: ${silent.join(", ")}\n`);
}

mkdirSync(published, { recursive: true });
const before = new Map(
  readdirSync(published).map((name) => [name, readFileSync(path.join(published, name), "utf8")]),
);
const names = new Set([...arranged.keys(), ...before.keys()]);
const stale = [...names].filter((name) => arranged.get(name) !== before.get(name));
if (options.json) {
  const figures = { pages: [...arranged.keys()], stale, undocumented: silent };
  writeFileSync(options.json, `${JSON.stringify(figures, null, 2)}\n`);
}
if (options.check) {
  if (stale.length > 0) {
    const list = stale.map((name) => `docs/api/${name}`).join(", ");
    console.error(`"docs/api" expected what "npm run api" writes, got stale ${list}`);
    process.exitCode = 1;
  }
} else {
  for (const name of stale) {
    if (!arranged.has(name)) rmSync(path.join(published, name));
    else writeFileSync(path.join(published, name), arranged.get(name));
  }
  console.log(`${arranged.size} pages, ${stale.length} changed`);
}
