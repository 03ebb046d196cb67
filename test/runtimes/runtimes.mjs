// The eleven runtimes (Node 20 once more with its flag, and arm64 on two processors): how each is
// had, and how the suite runs on it. `npm` is a path in node_modules, which `run` is given;
// `programs` come with the Debian `packages`; `ensure` says why something else is not there. Which
// tiers a runtime has to run is what its engine supports (suite.mjs).

import { ensureArm64, nodeOn } from "./arm64.mjs";
import { openChromium, openWebKit, runBrowser } from "./browsers.mjs";
import { denoEnv, runConsole, runServer, versionOf } from "./consoles.mjs";
import { openFirefox } from "./firefox.mjs";
import { runWorkerd } from "./workerd.mjs";

function node(major, name = `node${major}`, settings = {}) {
  const { host = "console.mjs", source = false, examples = ["node.mjs"] } = settings;
  const all = source ? [...examples, "module.mjs"] : examples;
  const options = { host, source, examples: all.map((name) => `examples/${name}`) };
  return {
    name,
    npm: [`node${major}`, "bin", "node"],
    async run(app, command) {
      const version = await versionOf(command);
      return { version, results: await runConsole(app, command, [], options) };
    },
  };
}

const deno = {
  name: "deno",
  npm: ["@deno", "linux-x64-glibc", "deno"],
  async run(app, command) {
    const args = ["run", "--no-remote", "--node-modules-dir=manual", "--allow-read"];
    const options = {
      host: "console.mjs",
      examples: ["examples/deno.ts", "examples/module.mjs"],
      source: true,
      env: denoEnv(app),
    };
    const serving = ["serve", ...args.slice(1), "--host", "127.0.0.1", "--port", "0"];
    return {
      version: await versionOf(command),
      results: [
        ...(await runConsole(app, command, args, options)),
        await runServer(app, command, serving, options.env),
      ],
    };
  },
};

const bun = {
  name: "bun",
  npm: ["@oven", "bun-linux-x64", "bin", "bun"],
  async run(app, command) {
    const options = { host: "console.mjs", examples: ["examples/bun.ts"] };
    const args = ["run", "--no-install"];
    return {
      version: await versionOf(command),
      results: [
        ...(await runConsole(app, command, args, options)),
        await runServer(app, command, ["--port", "0", ...args.slice(1)], {}),
      ],
    };
  },
};

const workerd = {
  name: "workerd",
  npm: ["@cloudflare", "workerd-linux-64", "bin", "workerd"],
  async run(app, command) {
    return {
      version: await versionOf(command),
      results: await runWorkerd(app, command),
    };
  },
};

const chromium = {
  name: "chromium",
  npm: ["puppeteer-core"],
  programs: ["chromium"],
  packages: ["chromium"],
  run: (app, puppeteer) => runBrowser(app, () => openChromium(puppeteer)),
};

const firefox = {
  name: "firefox",
  programs: ["firefox-esr"],
  packages: ["firefox-esr"],
  run: (app) => runBrowser(app, openFirefox),
};

const webkit = {
  name: "webkitgtk",
  programs: ["WebKitWebDriver", "xvfb-run", "Xvfb", "xauth"],
  packages: ["webkit2gtk-driver", "xvfb", "xauth"],
  run: (app) => runBrowser(app, openWebKit),
};

/** Node 24 for arm64, emulated. "max" has the dot-product extension, "cortex-a72" has not. */
function arm64(processor) {
  return {
    name: `arm64-${processor}`,
    ensure: ensureArm64,
    async run(app) {
      const [command, args] = nodeOn(processor);
      // emulation is slow, and slower on a machine that is busy
      const options = { host: "console.mjs", examples: ["examples/node.mjs"], limit: 1_200_000 };
      return {
        version: await versionOf(command, [...args, "--version"]),
        results: await runConsole(app, command, args, options),
      };
    },
  };
}

export const runtimes = [
  node(20),
  node(20, "node20-flag", { host: "relaxed-flag.mjs", examples: [] }),
  node(22),
  node(24, "node24", { source: true }),
  node(26, "node26", { source: true }),
  arm64("max"),
  arm64("cortex-a72"),
  deno,
  bun,
  workerd,
  chromium,
  firefox,
  webkit,
];
