// One function a bundler: build(entry, outDir) → warnings. Settings are what a user would start
// with: minified, for the web, everything else as the bundler has it.

import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { faultOfImport } from "./keep.mjs";

/**
 * What the platforms of the condition "edge-light" do with an import of a .wasm?module: the file
 * lies beside the bundle, and its module is the default export.
 */
const givenModules = {
  name: "given modules",
  setup(build) {
    build.onResolve({ filter: /\.wasm\?module$/ }, ({ path, resolveDir }) => ({
      path: join(resolveDir, path.replace(/\?module$/, "")),
      namespace: "given",
    }));
    build.onLoad({ filter: /.*/, namespace: "given" }, ({ path }) => ({
      contents: `import address from ${JSON.stringify(path)};
        const response = await fetch(new URL(address, import.meta.url));
        export default await WebAssembly.compile(await response.arrayBuffer());`,
      resolveDir: dirname(path),
    }));
  },
};

export async function loadBundlers(folder) {
  const require = createRequire(`${folder}/package.json`);
  const load = async (name) => {
    const module = await import(pathToFileURL(require.resolve(name)));
    return module.default ?? module;
  };
  const version = (name) => {
    const path = require.resolve.paths(name)[0];
    return require(`${path}/${name}/package.json`).version;
  };
  const [esbuild, rollup, nodeResolve, vite, webpack] = await Promise.all([
    load("esbuild"),
    import(pathToFileURL(require.resolve("rollup"))),
    load("@rollup/plugin-node-resolve"),
    import(pathToFileURL(`${folder}/node_modules/vite/dist/node/index.js`)),
    load("webpack"),
  ]);

  async function buildWeb(entry, outDir, more) {
    const { warnings } = await esbuild.build({
      entryPoints: { main: entry },
      outdir: outDir,
      bundle: true,
      minify: true,
      format: "esm",
      platform: "browser",
      logLevel: "silent",
      ...more,
    });
    return warnings.map(({ text }) => text);
  }

  return {
    esbuild: {
      version: version("esbuild"),
      build: (entry, outDir) => buildWeb(entry, outDir),
      faultOfImport: (entry, resolveDir) => faultOfImport(esbuild, entry, resolveDir),
    },
    "edge-light": {
      version: version("esbuild"),
      build: (entry, outDir) =>
        buildWeb(entry, outDir, {
          conditions: ["edge-light"],
          plugins: [givenModules],
          loader: { ".wasm": "file" },
        }),
    },
    rollup: {
      version: version("rollup"),
      async build(entry, outDir) {
        const warnings = [];
        const bundle = await rollup.rollup({
          input: { main: entry },
          plugins: [nodeResolve({ browser: true })],
          onwarn: (warning) => warnings.push(warning.message),
        });
        await bundle.write({ dir: outDir, format: "es" });
        await bundle.close();
        return warnings;
      },
    },
    vite: {
      version: version("vite"),
      async build(entry, outDir) {
        const warnings = [];
        const keep = (message) => warnings.push(message);
        await vite.build({
          root: dirname(entry),
          base: "./",
          configFile: false,
          logLevel: "warn",
          customLogger: {
            info() {},
            warn: keep,
            warnOnce: keep,
            error: keep,
            clearScreen() {},
            hasErrorLogged: () => false,
            hasWarned: false,
          },
          worker: { format: "es" },
          build: {
            outDir,
            emptyOutDir: true,
            rollupOptions: { input: { main: entry }, output: { entryFileNames: "[name].js" } },
          },
        });
        return warnings;
      },
    },
    webpack: {
      version: version("webpack"),
      async build(entry, outDir) {
        const stats = await new Promise((done, fail) => {
          webpack(
            {
              mode: "production",
              context: dirname(entry),
              entry: { main: `./${basename(entry)}` },
              output: { path: outDir, filename: "[name].js" },
              performance: { hints: false },
            },
            (error, result) => (error ? fail(error) : done(result)),
          );
        });
        const { errors, warnings } = stats.toJson({ all: false, errors: true, warnings: true });
        if (errors.length > 0) throw new Error(errors.map(({ message }) => message).join("\n"));
        return warnings.map(({ message }) => message);
      },
    },
  };
}
