// Firefox through Marionette: frames of "length:JSON", a command is [0, id, name, parameters] and
// its answer [1, id, error, result]
// (firefox-source-docs.mozilla.org/testing/marionette/Protocol.html). Its other protocol, WebDriver
// BiDi, watches workers, and stops for good a worker that makes workers.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findProgram } from "./debian.mjs";
import { endGroup, startProcess } from "./process.mjs";

const starting = 60_000;
const answering = 300_000;
const colon = 58;

const preferences = {
  "marionette.port": 0,
  "browser.shell.checkDefaultBrowser": false,
  "datareporting.policy.dataSubmissionEnabled": false,
  "toolkit.telemetry.server": "",
  "app.update.disabledForTesting": true,
  "extensions.update.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
};

/** The port that Firefox has chosen and written down. */
async function portOf(profile) {
  const end = Date.now() + starting;
  while (Date.now() < end) {
    try {
      const port = Number(readFileSync(join(profile, "MarionetteActivePort"), "utf8"));
      if (port > 0) return port;
    } catch (error) {
      if (error.code !== "ENOENT") throw error;
    }
    await sleep(50);
  }
  throw new Error(`Firefox expected to listen within ${starting} ms`);
}

/** A connection: `call(name, parameters)` resolves with the result. */
function openMarionette(port) {
  const waiting = new Map();
  const socket = connect(port, "127.0.0.1");
  let received = Buffer.alloc(0);
  let last = 0;
  const settle = ([, id, error, result]) => {
    const { done, fail } = waiting.get(id);
    waiting.delete(id);
    if (error === null) done(result);
    else fail(new Error(error.message));
  };
  socket.on("data", (bytes) => {
    received = Buffer.concat([received, bytes]);
    for (;;) {
      const start = received.indexOf(colon) + 1;
      const end = start + Number(received.subarray(0, start - 1));
      if (start === 0 || received.length < end) return;
      const message = JSON.parse(received.subarray(start, end));
      received = received.subarray(end);
      // the first frame is a greeting
      if (Array.isArray(message)) settle(message);
    }
  });
  const drop = (error) => {
    for (const { fail } of waiting.values()) fail(error ?? new Error("Firefox went away"));
    waiting.clear();
  };
  socket.on("error", drop).on("close", () => drop());
  const call = (name, parameters = {}) =>
    new Promise((done, fail) => {
      const timer = setTimeout(
        () => fail(new Error(`${name} expected an answer within ${answering} ms`)),
        answering,
      );
      const settled = (end) => (value) => {
        clearTimeout(timer);
        end(value);
      };
      waiting.set(++last, { done: settled(done), fail: settled(fail) });
      const text = JSON.stringify([0, last, `WebDriver:${name}`, parameters]);
      socket.write(`${Buffer.byteLength(text)}:${text}`);
    });
  return { call, close: () => socket.destroy() };
}

export async function openFirefox() {
  const profile = mkdtempSync(join(tmpdir(), "bytelane-firefox-"));
  const lines = Object.entries(preferences).map(
    ([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});\n`,
  );
  writeFileSync(join(profile, "user.js"), lines.join(""));
  const program = findProgram("firefox-esr");
  const child = startProcess(program, [
    ...["--headless", "--no-remote", "--marionette", "--profile", profile, "about:blank"],
  ]);
  let marionette;
  const close = async () => {
    marionette?.close();
    endGroup(child);
    rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  };
  try {
    marionette = openMarionette(await portOf(profile));
    const { call } = marionette;
    const session = await call("NewSession");
    return {
      version: session.capabilities.browserVersion,
      open: (url) => call("Navigate", { url }),
      evaluate: async (expression) =>
        (await call("ExecuteScript", { script: `return ${expression};`, args: [] })).value,
      screenshot: async () => (await call("TakeScreenshot", { full: true })).value,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
