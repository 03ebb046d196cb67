// The ten runtimes (and Node 20 once more, with its flag): how each is had, the tiers that it must
// run, and how the suite runs on it. `tiers` is a promise: a runtime that stops offering one fails.

import { join } from "node:path";
import { openChromium, openWebKit, runBrowser } from "./browsers.mjs";
import { denoEnv, runConsole, versionOf } from "./consoles.mjs";
import { openFirefox } from "./firefox.mjs";
import { runWorkerd } from "./workerd.mjs";

const both = ["simd", "relaxed"];
const npm = (folder, ...path) => join(folder, "node_modules", ...path);

function node(major, tiers, name = `node${major}`, settings = {}) {
  const { host = "console.mjs", source = false, examples = ["node.mjs"] } = settings;
  const all = source ? [...examples, "source.mjs"] : examples;
  const options = { host, source, tiers, examples: all.map((name) => `examples/${name}`) };
  return {
    name,
    tiers,
    npm: true,
    async run(app, folder) {
      const command = npm(folder, `node${major}`, "bin", "node");
      const version = await versionOf(command);
      return { version, results: await runConsole(app, command, [], options) };
    },
  };
}

const deno = {
  name: "deno",
  tiers: both,
  npm: true,
  async run(app, folder) {
    const command = npm(folder, "@deno", "linux-x64-glibc", "deno");
    const args = ["run", "--no-remote", "--node-modules-dir=manual", "--allow-read"];
    const options = {
      host: "console.mjs",
      examples: ["examples/deno.ts", "examples/source.mjs"],
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
  npm: true,
  async run(app, folder) {
    const command = npm(folder, "@oven", "bun-linux-x64", "bin", "bun");
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
  npm: true,
  async run(app, folder) {
    const command = npm(folder, "@cloudflare", "workerd-linux-64", "bin", "workerd");
    return {
      version: await versionOf(command),
      results: await runWorkerd(app, command, { tiers: both }),
    };
  },
};

const chromium = {
  name: "chromium",
  tiers: both,
  npm: true,
  programs: ["chromium"],
  packages: ["chromium"],
  run: (app, folder) => runBrowser(app, () => openChromium(folder), { tiers: both }),
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
