// workerd: `workerd test` runs the worker's test handler; no port, no network.

import { readdirSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { lastLine, runExample } from "./consoles.mjs";
import { excerpt, runProcess } from "./process.mjs";

// From 2025-06-01 on code may be compiled from bytes while the worker starts, which would hide a
// package that does not bring its modules ready.
const compatibilityDate = "2025-01-01";

/** Every .js and .wasm that the package ships, as paths relative to the app. */
function shipped(app) {
  return readdirSync(app.home, { recursive: true })
    .map((name) => relative(app.folder, join(app.home, name)))
    .filter((name) => /\.(js|wasm)$/.test(name));
}

/**
 * A worker's configuration: the package's files under their own paths, and its exports under the
 * names that a program imports. workerd looks a bare name up beside the importing module, so every
 * module that says "bytelane" lies at the top. `files` are [module name, file].
 */
export function capnp(app, main, files) {
  const module = (name, kind, value) => `    (name = "${name}", ${kind} = ${value}),`;
  const embed = (name) => `embed ${JSON.stringify(name)}`;
  const kind = (name) => (name.endsWith(".wasm") ? "wasm" : "esModule");
  const packaged = shipped(app);
  const prefix = `${relative(app.folder, join(app.folder, app.wasm))}/`;
  return [
    'using Workerd = import "/workerd/workerd.capnp";',
    'const config :Workerd.Config = (services = [(name = "main", worker = .main)]);',
    "const main :Workerd.Worker = (",
    `  compatibilityDate = "${compatibilityDate}",`,
    "  modules = [",
    ...[[main, main], ...files].map(([name, file]) => module(name, kind(name), embed(file))),
    ...Object.entries(app.edgeEntries).map(([name, path]) =>
      // a module is looked up beside the one that imports it
      module(name, "esModule", JSON.stringify(`export * from "${beside(name, path)}";`)),
    ),
    ...packaged.map((name) => module(name, kind(name), embed(name))),
    ...packaged
      .filter((name) => name.startsWith(prefix))
      .map((name) => module(`bytelane/wasm/${name.slice(prefix.length)}`, "wasm", embed(name))),
    "  ],",
    ");",
    "",
  ].join("\n");
}

/** A path of the app as a module of this name says it. */
function beside(name, path) {
  return name.includes("/") ? `../${path.replace(/^\.\//, "")}` : path;
}

/** What `workerd test` calls, around a worker that only answers requests. */
const exampleTest = `import worker from "./example-worker.mjs";
export default {
  async test() {
    const response = await worker.fetch(new Request("http://localhost/"));
    console.log(await response.text());
  },
};
`;

/** What the Worker of examples/cloudflare-worker.mjs answers to a query, and to what is none. */
const recipeTest = `import worker from "./recipe-worker.mjs";
export default {
  async test() {
    const post = async (body) => {
      const request = new Request("http://localhost/", { method: "POST", body });
      const response = await worker.fetch(request);
      const { ids, error } = await response.json();
      return [response.status, ...(ids ?? [error.slice(0, 18)])].join(" ");
    };
    console.log([await post('{"query": [0.9, 0.1, 0]}'), await post('{"query": [1, 2]}')].join(", "));
  },
};
`;
const RECIPE_ANSWER = '200 0 3, 400 "queries" expected';

async function test(app, command, name, text) {
  writeFileSync(join(app.folder, name), text);
  const { code, out, err } = await runProcess(command, ["test", name], { cwd: app.folder });
  if (code !== 0) throw new Error(`ended with ${code}: ${excerpt(err || out)}`);
  return lastLine(out);
}

export async function runWorkerd(app, command) {
  const cases = readdirSync(join(app.folder, "cases")).map((name) => `cases/${name}`);
  const files = [
    "library.mjs",
    "suite.mjs",
    "digest.mjs",
    "extremes.mjs",
    "pooled.mjs",
    ...cases,
  ].map((name) => [name, name]);
  const results = [];
  try {
    const text = capnp(app, "workerd.mjs", files);
    results.push({
      where: "isolate",
      result: JSON.parse(await test(app, command, "suite.capnp", text)),
    });
  } catch (error) {
    results.push({ where: "isolate", failure: error.message });
  }
  writeFileSync(join(app.folder, "example.mjs"), exampleTest);
  const text = capnp(app, "example.mjs", [["example-worker.mjs", "examples/workerd.mjs"]]);
  results.push(await runExample("workerd.mjs", () => test(app, command, "example.capnp", text)));
  writeFileSync(join(app.folder, "recipe.mjs"), recipeTest);
  const recipe = "recipes/cloudflare-worker.mjs";
  const worker = capnp(app, "recipe.mjs", [["recipe-worker.mjs", recipe]]);
  const run = () => test(app, command, "recipe.capnp", worker);
  results.push(await runExample("cloudflare-worker.mjs", run, RECIPE_ANSWER));
  return results;
}
