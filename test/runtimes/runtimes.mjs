// The ten runtimes (and Node 20 once more, with its flag): how each is had, the tiers that it must
// run, and how the suite runs on it. `npm` is a path in node_modules, which `run` is given;
// `programs` come with the Debian `packages`. `tiers` is a promise: a runtime that stops offering
// one fails.

import { openChromium, openWebKit, runBrowser } from "./browsers.mjs";
import { denoEnv, runConsole, versionOf } from "./consoles.mjs";
import { openFirefox } from "./firefox.mjs";
import { runWorkerd } from "./workerd.mjs";

const both = ["simd", "relaxed"];

function node(major, tiers, name = `node${major}`, settings = {}) {
  const { host = "console.mjs", source = false, examples = ["node.mjs"] } = settings;
  const all = source ? [...examples, "module.mjs"] : examples;
  const options = { host, source, tiers, examples: all.map((name) => `examples/${name}`) };
  return {
    name,
    tiers,
    npm: [`node${major}`, "bin", "node"],
    async run(app, command) {
      const version = await versionOf(command);
      return { version, results: await runConsole(app, command, [], options) };
    },
  };
}

const deno = {
  name: "deno",
  tiers: both,
  npm: ["@deno", "linux-x64-glibc", "deno"],
  async run(app, command) {
    const args = ["run", "--no-remote", "--node-modules-dir=manual", "--allow-read"];
    const options = {
      host: "console.mjs",
      examples: ["examples/deno.ts", "examples/module.mjs"],
      tiers: both,
      source: true,
      env: denoEnv(app),
    };
    return {
      version: await versionOf(command),
      results: await runConsole(app, command, args, options),
    };
  },
};

const bun = {
  name: "bun",
  tiers: both,
  npm: ["@oven", "bun-linux-x64", "bin", "bun"],
  async run(app, command) {
    const options = { host: "console.mjs", examples: ["examples/bun.ts"], tiers: both };
    return {
      version: await versionOf(command),
      results: await runConsole(app, command, ["run", "--no-install"], options),
    };
  },
};

const workerd = {
  name: "workerd",
  tiers: both,
  npm: ["@cloudflare", "workerd-linux-64", "bin", "workerd"],
  async run(app, command) {
    return {
      version: await versionOf(command),
      results: await runWorkerd(app, command, { tiers: both }),
    };
  },
};

const chromium = {
  name: "chromium",
  tiers: both,
  npm: ["puppeteer-core"],
  programs: ["chromium"],
  packages: ["chromium"],
  run: (app, puppeteer) => runBrowser(app, () => openChromium(puppeteer), { tiers: both }),
};

const firefox = {
  name: "firefox",
  tiers: both,
  programs: ["firefox-esr"],
  packages: ["firefox-esr"],
  run: (app) => runBrowser(app, openFirefox, { tiers: both }),
};

const webkit = {
  name: "webkitgtk",
  tiers: ["simd"],
  programs: ["WebKitWebDriver", "xvfb-run", "Xvfb", "xauth"],
  packages: ["webkit2gtk-driver", "xvfb", "xauth"],
  run: (app) => runBrowser(app, openWebKit, { tiers: ["simd"] }),
};

export const runtimes = [
  node(20, ["simd"]),
  node(20, both, "node20-flag", { host: "relaxed-flag.mjs", examples: [] }),
  node(22, both),
  node(24, both, "node24", { source: true }),
  node(26, both, "node26", { source: true }),
  deno,
  bun,
  workerd,
  chromium,
  firefox,
  webkit,
];
