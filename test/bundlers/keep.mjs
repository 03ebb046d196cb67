/**
 * What the import of an entry costs an app that uses nothing of it. A bundler that does not believe
 * "sideEffects" of package.json keeps a few constants, and no call but those that make one.
 */

/** Bytes of constants that may stay. */
const MOST_KEPT = 2500;

/** Resolves as esbuild does, but to modules that may have effects, whatever package.json says. */
const distrust = {
  name: "distrust",
  setup({ onResolve, resolve }) {
    onResolve({ filter: /./ }, async ({ path, pluginData, ...args }) => {
      if (pluginData === distrust) return undefined;
      const resolved = await resolve(path, { ...args, pluginData: distrust });
      return { ...resolved, pluginData: undefined, sideEffects: true };
    });
  },
};

/** What is wrong with what `import "<entry>"` keeps, or undefined. */
export async function faultOfImport(esbuild, entry, resolveDir) {
  const { outputFiles } = await esbuild.build({
    stdin: { contents: `import "${entry}";`, resolveDir },
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    plugins: [distrust],
    logLevel: "silent",
  });
  const kept = outputFiles[0].text.replace(/^\s*\/\/.*$/gm, "").trim();
  if (kept.length > MOST_KEPT) {
    return `${entry} expected at most ${MOST_KEPT} bytes at import, got ${kept.length}`;
  }
  const calls = kept
    .replace(/\bnew \w+(?:Array|View)\(|\bObject\.freeze\(/g, "")
    .match(/[\w$\])]+\(|\b(?:if|for|while|function|class)\b/g);
  return calls && `${entry} expected no call at import, got ${calls.join(" ")}: ${kept}`;
}
