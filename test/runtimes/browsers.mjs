// Chromium through Puppeteer, WebKitGTK through plain WebDriver, Firefox in a file of its own. Each
// opener gives { version, open(url), evaluate(expression), close() }.

import { createRequire } from "node:module";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { runExample } from "./consoles.mjs";
import { findProgram } from "./debian.mjs";
import { endGroup, startProcess } from "./process.mjs";
import { serve, variants } from "./server.mjs";

const starting = 60_000;
const answering = 300_000;
const showing = 10_000;

/** `home` is the folder of puppeteer-core. */
export async function openChromium(home) {
  const path = createRequire(`${home}/package.json`).resolve("puppeteer-core");
  const { default: puppeteer } = await import(pathToFileURL(path));
  const browser = await puppeteer.launch({
    headless: true,
    timeout: starting,
    protocolTimeout: answering,
    browser: "chrome",
    executablePath: findProgram("chromium"),
    args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
  });
  try {
    const page = await browser.newPage();
    return {
      version: (await browser.version()).replace(/^.*\//, ""),
      open: (url) => page.goto(url, { timeout: starting }),
      evaluate: (expression) => page.evaluate(expression),
      close: () => browser.close(),
    };
  } catch (error) {
    await browser.close();
    throw error;
  }
}

function freePort() {
  return new Promise((done, fail) => {
    const probe = createServer().on("error", fail);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
}

export async function openWebKit() {
  const port = await freePort();
  const driver = startProcess("xvfb-run", ["-a", "WebKitWebDriver", `--port=${port}`]);
  const call = async (method, path, body) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(answering),
    });
    const { value } = await response.json();
    if (!response.ok)
      throw new Error(`WebDriver ${method} ${path}: ${value.message ?? value.error}`);
    return value;
  };
  const listening = async () => {
    const end = Date.now() + starting;
    for (;;) {
      try {
        return await call("GET", "/status");
      } catch (error) {
        if (Date.now() > end) throw error;
        await sleep(100);
      }
    }
  };
  try {
    await listening();
    const session = await call("POST", "/session", {
      capabilities: { alwaysMatch: { browserName: "MiniBrowser" } },
    });
    const at = `/session/${session.sessionId}`;
    return {
      version: session.capabilities.browserVersion,
      open: (url) => call("POST", `${at}/url`, { url }),
      evaluate: (expression) =>
        call("POST", `${at}/execute/sync`, { script: `return ${expression};`, args: [] }),
      screenshot: () => call("GET", `${at}/screenshot`),
      async close() {
        try {
          await call("DELETE", at);
        } finally {
          endGroup(driver);
        }
      },
    };
  } catch (error) {
    endGroup(driver);
    throw error;
  }
}

function checkSurroundings(variant, result) {
  const { isolated, evalBlocked } = variants[variant];
  for (const [name, expected] of Object.entries({ isolated, evalBlocked })) {
    if (result[name] !== expected) {
      throw new Error(`"${name}" expected ${expected} here, got ${result[name]}`);
    }
  }
}

/** The text of an element, once there is some. */
async function textOf(browser, selector) {
  const end = Date.now() + showing;
  while (Date.now() < end) {
    const text = await browser.evaluate(`document.querySelector("${selector}")?.textContent ?? ""`);
    if (text !== "") return text;
    await sleep(20);
  }
  throw new Error(`no text in ${selector} within ${showing} ms`);
}

/**
 * Every set of headers, in the page and in a worker; the policy that must be refused; the example.
 */
export async function runBrowser(app, open) {
  app.writeOptions({});
  const server = await serve(app.folder);
  const results = [];
  let browser;
  try {
    browser = await open();
    for (const variant of Object.keys(variants)) {
      const places = ["page", "worker"];
      const awaited = places.map((place) => server.result(variant, place, answering));
      const settled = Promise.allSettled(awaited);
      await browser.open(server.url(variant, "page.html"));
      for (const [i, one] of (await settled).entries()) {
        const where = `${variant} ${places[i]}`;
        try {
          if (one.status === "rejected") throw one.reason;
          if (one.value.failure !== undefined) throw new Error(one.value.failure);
          checkSurroundings(variant, one.value);
          results.push({ where, result: one.value });
        } catch (error) {
          results.push({ where, failure: error.message });
        }
      }
    }
    const refusal = server.result("no-wasm", "page", answering);
    await browser.open(server.url("no-wasm", "page.html?refused"));
    const { failure, refusal: words } = await refusal;
    results.push({ where: "no-wasm page", failure, refusal: words });
    await browser.open(server.url("plain", "examples/browser.html"));
    results.push(await runExample("browser.html", () => textOf(browser, "output")));
    return { version: browser.version, results };
  } finally {
    await browser?.close();
    await server.close();
  }
}
