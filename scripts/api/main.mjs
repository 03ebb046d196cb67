/** Writes docs/api from the docstrings of the published declarations; HELP says how. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { runCommand, writeJson } from "../../tools/command.mjs";

const HELP = `
Writes docs/api: what every entry of the package exports, from the docstrings in its declarations.

  --check      writes nothing, and fails where a page is stale
  --json FILE  also writes the figures as one JSON object`;

const root = fileURLToPath(new URL("../../", import.meta.url));
const types = path.join(root, "build", "api", "types");
const pages = path.join(root, "build", "api", "pages");
const published = path.join(root, "docs", "api");

/** The declarations as published, made anew so that an old build cannot pass for them. */
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

const optionsOf = (entries, categoryOrder, logLevel) => ({
  tsconfig: configure(),
  basePath: types,
  entryPoints: entries.map(({ declarations }) => declarations),
  plugin: ["typedoc-plugin-markdown"],
  name: "API reference",
  markdown: pages,
  readme: "none",
  useHTMLAnchors: true,
  router: "module",
  sort: ["kind", "source-order"],
  kindSortOrder: ["Function", "Class", "Interface", "TypeAlias", "Variable"],
  sortEntryPoints: false,
  categorizeByGroup: false,
  categoryOrder,
  disableSources: true,
  disableGit: true,
  excludePrivate: true,
  excludeProtected: true,
  excludeInternal: true,
  hideBreadcrumbs: true,
  hidePageHeader: true,
  expandParameters: true,
  parametersFormat: "table",
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
  logLevel,
});

/** The files of a folder by name, each with one line end at its end. */
const readPages = (folder) =>
  new Map(
    readdirSync(folder).map((name) => [
      name,
      `${readFileSync(path.join(folder, name), "utf8").trim()}\n`,
    ]),
  );

async function main({ check, json }) {
  // here, so that --help needs none of it
  const { Application, LogLevel } = await import("typedoc");
  const { arrange, CATEGORIES, entriesOf, undocumented } = await import("./declarations.mjs");
  declare();
  const entries = entriesOf(root, types);
  const app = await Application.bootstrapWithPlugins(optionsOf(entries, CATEGORIES, LogLevel.Warn));
  arrange(app, { entries, types, root });
  const project = await app.convert();
  if (!project || app.logger.hasErrors()) {
    throw new Error("typedoc could not read the declarations");
  }
  rmSync(pages, { recursive: true, force: true });
  await app.generateOutputs(project);
  const silent = undocumented(project, entries);
  if (silent.length > 0) {
    process.stderr.write(`nothing is said of ${silent.length} names: ${silent.join(", ")}\n`);
  }

  mkdirSync(published, { recursive: true });
  const after = readPages(pages);
  const before = readPages(published);
  const names = [...new Set([...after.keys(), ...before.keys()])];
  const stale = names.filter((name) => after.get(name) !== before.get(name));
  const figures = { pages: after.size, stale: stale.length, undocumented: silent.length };
  writeJson(json, { figures, pages: [...after.keys()], stale, undocumented: silent });
  if (check) {
    if (stale.length === 0) return;
    const list = stale.map((name) => `docs/api/${name}`).join(", ");
    throw new Error(`"docs/api" expected what "npm run api" writes, got stale ${list}`);
  }
  for (const name of stale) {
    if (after.has(name)) writeFileSync(path.join(published, name), after.get(name));
    else rmSync(path.join(published, name));
  }
  console.log(`${after.size} pages, ${stale.length} changed`);
}

await runCommand({ help: HELP, options: { check: { type: "boolean", default: false } } }, main);
