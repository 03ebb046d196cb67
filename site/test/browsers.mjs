/**
 * Chromium, Firefox and WebKitGTK as Debian has them. Each gives `open(url)`,
 * `evaluate(expression)`, `screenshot(file)` and `close()`; Chromium also notes what goes wrong.
 */
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { openWebKit } from "../../test/runtimes/browsers.mjs";
import { findProgram } from "../../test/runtimes/debian.mjs";
import { openFirefox } from "../../test/runtimes/firefox.mjs";

const require = createRequire(import.meta.url);
const PROTOCOL = 300_000;

export async function openChromium({ width = 1280, height = 900 } = {}) {
  const { default: puppeteer } = await import(pathToFileURL(require.resolve("puppeteer-core")));
  const browser = await puppeteer.launch({
    ...{ headless: true, browser: "chrome", protocolTimeout: PROTOCOL, timeout: 60_000 },
    executablePath: findProgram("chromium"),
    args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
    defaultViewport: { width, height },
  });
  const page = await browser.newPage();
  const faults = [];
  const requests = [];
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(message.text());
  });
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("request", (request) => requests.push(request.url()));
  return {
    name: "Chromium",
    version: (await browser.version()).replace(/^.*\//, ""),
    page,
    faults,
    requests,
    open: (url) => page.goto(url, { timeout: 180_000 }),
    evaluate: (expression) => page.evaluate(expression),
    screenshot: (file) => page.screenshot({ path: file, fullPage: true }),
    close: () => browser.close(),
  };
}

/** Firefox through Marionette and WebKitGTK through WebDriver, as in the matrix of runtimes. */
export async function openOther(name) {
  const browser = await { Firefox: openFirefox, WebKitGTK: openWebKit }[name]();
  const shoot = browser.screenshot;
  return {
    ...{ name, faults: [], requests: [] },
    ...browser,
    screenshot: async (file) => {
      if (shoot) writeFileSync(file, Buffer.from(await shoot(), "base64"));
    },
  };
}
