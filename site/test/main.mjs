/** Opens the built site in browsers; HELP says how. */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ensurePrograms, findProgram } from "../../test/runtimes/debian.mjs";
import { runCommand, writeJson } from "../../tools/command.mjs";
import { openChromium, openOther } from "./browsers.mjs";
import { PLAYS, until } from "./play.mjs";
import { serveSite } from "./server.mjs";

const HELP = `
Opens the site of build/site in Chromium, Firefox and WebKitGTK: every playground does its job on
real data, and nothing is asked of another host. In Chromium also: nothing fails in the console, the
weight of each playground, the time to its first answer, long tasks, axe, phone width and dark. A
playground above a limit is opened up to three times, and the least figures count: other programs
make them longer, and a task that is long is so every time.
Screenshots are in build/site-shots.

  --only a,b       of chromium, firefox, webkitgtk
  --no-data        without the playgrounds that need data (search, read)
  --lenient        prints figures above their limits without failing
  --json FILE      also writes the figures as one JSON object`;

const OPTIONS = {
  only: { type: "string" },
  "no-data": { type: "boolean", default: false },
  lenient: { type: "boolean", default: false },
};

const root = fileURLToPath(new URL("../..", import.meta.url));
const SHOTS = path.join(root, "build", "site-shots");

const LIMITS = {
  playgroundKB: 250,
  firstInteractionMs: 1500,
  calibrateMs: 100,
  searchMs: 8,
  axeSerious: 0,
  longTaskMs: 50,
};

const NEED_DATA = ["search", "read"];

/** Pages besides the playgrounds that are looked at. */
const PAGES = {
  home: "index.html",
  guide: "guide/quick-start.html",
  calibration: "guide/calibration.html",
  reference: "docs/api/bytelane.html",
  readme: "docs/README.html",
  recipes: "recipes.html",
};

/** Long tasks of the page from now on, as the browser itself notes them. */
const WATCH = `(() => {
  window.longTasks = [];
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) {
      window.longTasks.push([Math.round(startTime), Math.round(duration)]);
    }
  }).observe({ type: "longtask", buffered: true });
})()`;

/** What axe finds that is serious or critical, in words. */
async function axe(browser) {
  const file = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
  await browser.evaluate(readFileSync(file, "utf8"));
  const found = await browser.page.evaluate(async () => {
    const { violations } = await globalThis.axe.run();
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(" | ")}`);
  });
  return found;
}

const most = (figures, key, value) => {
  figures[key] = Math.max(figures[key] ?? 0, value);
};

/** Colours fade from one theme to the other: what axe sees in between is neither. */
const SETTLED = 'document.getAnimations().every(({ playState }) => playState !== "running")';

async function goDark(browser) {
  await browser.evaluate(
    'document.documentElement.classList.add("dark"), window.scrollTo(0, 0), true',
  );
  await sleep(300);
  await until(browser, SETTLED, "the colours of the dark theme");
}

/** Figures of a playground that other programs of the machine make longer. */
const TIMES = ["firstInteractionMs", "longTaskMs", "calibrateMs", "searchMs"];
/** A playground that is above a limit is opened again: what is slow is so every time. */
const VISITS = 3;

/** Opens a playground, lets it do its job, and gives its figures. */
async function visit(browser, server, name) {
  server.begin();
  await browser.open(`${server.origin}/play/${name}.html`);
  const { link: _, ...figures } = await PLAYS[name](browser);
  const tasks = await browser.evaluate("window.longTasks");
  const longest = (some) => Math.max(0, ...some.map(([, duration]) => duration));
  // what the generator does before the playground is there is not the playground's work
  const working = tasks.filter(([start]) => start > figures.firstInteractionMs);
  return {
    ...{ ...figures, playgroundKB: server.codeBytes() / 1000 },
    ...{ longTaskMs: longest(working), startTaskMs: longest(tasks) },
  };
}

/** The least of each figure over some visits. */
async function visitSome(browser, server, name) {
  const least = {};
  for (let turn = 0; turn < VISITS; turn++) {
    for (const [key, value] of Object.entries(await visit(browser, server, name))) {
      least[key] = Math.min(least[key] ?? value, value);
    }
    if (TIMES.every((key) => !(least[key] > LIMITS[key]))) break;
  }
  return least;
}

/** A playground in Chromium, with all that it can tell. */
async function measurePlay(browser, server, name, figures) {
  const own = await visitSome(browser, server, name);
  for (const [key, value] of Object.entries(own)) {
    figures[`${name}.${key}`] = value;
    if (LIMITS[key] !== undefined) most(figures, key, value);
  }
  await browser.screenshot(path.join(SHOTS, `chromium-${name}.png`));
  const serious = await axe(browser);
  await goDark(browser);
  serious.push(...(await axe(browser)));
  await browser.screenshot(path.join(SHOTS, `chromium-${name}-dark.png`));
  return serious.map((each) => `${name}: ${each}`);
}

async function inChromium(server, names, figures) {
  const browser = await openChromium();
  const serious = [];
  try {
    await browser.page.evaluateOnNewDocument(WATCH);
    for (const name of names) serious.push(...(await measurePlay(browser, server, name, figures)));
    for (const [name, page] of Object.entries(PAGES)) {
      await browser.open(`${server.origin}/${page}`);
      await until(browser, 'document.querySelector("h1, .VPHero")');
      serious.push(...(await axe(browser)).map((each) => `${name}: ${each}`));
      if (name !== "reference") await browser.screenshot(path.join(SHOTS, `chromium-${name}.png`));
    }
    await browser.page.setViewport({ width: 390, height: 844, deviceScaleFactor: 2 });
    for (const name of names) {
      await browser.open(`${server.origin}/play/${name}.html`);
      await until(browser, "document.documentElement.dataset.firstInteractionMs");
      await sleep(400);
      const wide = await browser.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth",
      );
      if (wide > 0) browser.faults.push(`${name} is ${wide} px too wide for a phone`);
      await browser.screenshot(path.join(SHOTS, `phone-${name}.png`));
    }
    figures.axeSerious = serious.length;
    const elsewhere = browser.requests.filter(
      (url) => !url.startsWith(server.origin) && !/^(data|blob):/.test(url),
    );
    const faults = [...browser.faults, ...elsewhere.map((url) => `asked ${url}`)];
    return { version: browser.version, faults, serious };
  } finally {
    await browser.close();
  }
}

/** What a page does wrong where the driver does not tell: noted by the page itself. */
const NOTED = `(performance.getEntriesByType("resource").map(({ name }) => name)
  .filter((name) => !name.startsWith(location.origin) && !/^(data|blob):/.test(name)))`;

async function inOther(name, server, names) {
  const browser = await openOther(name);
  const faults = [];
  try {
    for (const play of names) {
      await browser.open(`${server.origin}/play/${play}.html`);
      await PLAYS[play](browser);
      for (const url of await browser.evaluate(NOTED)) faults.push(`${play} asked ${url}`);
      await browser.screenshot(path.join(SHOTS, `${name.toLowerCase()}-${play}.png`));
    }
    return { version: browser.version, faults };
  } finally {
    await browser.close();
  }
}

async function main({ only, "no-data": without, lenient, json }) {
  const folder = path.join(root, "build", "site");
  if (!existsSync(path.join(folder, "index.html"))) {
    throw new Error('"build/site" expected the site: npm run site');
  }
  const missing = ensurePrograms(
    ["chromium", "firefox-esr", "WebKitWebDriver", "xvfb-run"].filter((each) => !findProgram(each)),
    ["chromium", "firefox-esr", "webkit2gtk-driver", "xvfb"],
  );
  if (missing) throw new Error(missing);
  mkdirSync(SHOTS, { recursive: true });
  const names = Object.keys(PLAYS).filter((name) => !(without && NEED_DATA.includes(name)));
  const wanted = only?.split(",") ?? ["chromium", "firefox", "webkitgtk"];
  const server = await serveSite(folder);
  const figures = {};
  const faults = [];
  try {
    if (wanted.includes("chromium")) {
      const { version, faults: own, serious } = await inChromium(server, names, figures);
      console.log(`Chromium ${version}: ${own.length} faults, axe ${serious.length}`);
      faults.push(...own, ...serious);
    }
    for (const name of ["Firefox", "WebKitGTK"]) {
      if (!wanted.includes(name.toLowerCase())) continue;
      const { version, faults: own } = await inOther(name, server, names);
      console.log(`${name} ${version}: ${own.length} faults`);
      faults.push(...own);
    }
    faults.push(...server.missing());
  } finally {
    await server.close();
  }
  for (const [key, value] of Object.entries(figures)) {
    const limit = LIMITS[key];
    const rounded = Math.round(value * 1000) / 1000;
    console.log(`${key.padEnd(28)} ${rounded}${limit === undefined ? "" : ` of ${limit}`}`);
    if (limit !== undefined && value > limit && !lenient) {
      faults.push(`"${key}" expected at most ${limit}, got ${rounded}`);
    }
  }
  writeJson(json, { figures, faults });
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) process.exitCode = 1;
}

await runCommand({ help: HELP, options: OPTIONS }, main);
