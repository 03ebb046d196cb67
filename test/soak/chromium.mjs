/** The soak in a page of Chromium. Its memory is that of the renderers, as the system tells it. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { openChromium } from "../runtimes/browsers.mjs";
import { cache } from "../runtimes/pack.mjs";
import { serve } from "../runtimes/server.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Processes by number: the number of the parent, the command line, and the resident bytes. */
function processes() {
  const found = new Map();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const status = readFileSync(`/proc/${name}/status`, "utf8");
      const [parent, kilobytes] = [/PPid:\s+(\d+)/, /VmRSS:\s+(\d+)/].map((pattern) =>
        Number(status.match(pattern)?.[1] ?? 0),
      );
      const command = readFileSync(`/proc/${name}/cmdline`, "utf8");
      found.set(Number(name), { parent, command, bytes: kilobytes * 1024 });
    } catch {
      // it has ended
    }
  }
  return found;
}

/** Resident bytes of the renderers below this process. */
function rendererBytes() {
  const all = processes();
  const isBelow = (id) => {
    for (let at = id; all.has(at); at = all.get(at).parent) if (at === process.pid) return true;
    return false;
  };
  return [...all]
    .filter(([id, { command }]) => command.includes("--type=renderer") && isBelow(id))
    .reduce((sum, [, { bytes }]) => sum + bytes, 0);
}

export async function inChromium(work, onSample) {
  const server = await serve(root);
  const samples = [];
  let browser;
  try {
    browser = await openChromium(path.join(cache, "runtimes", "node_modules", "puppeteer-core"));
    const given = encodeURIComponent(JSON.stringify(work));
    await browser.open(`${server.url("isolated", "test/soak/page.html")}?work=${given}`);
    for (;;) {
      await sleep(1000);
      const { minute, figures, fault } = (await browser.evaluate("globalThis.state")) ?? {};
      if (fault) throw new Error(fault);
      if (figures) return { figures, samples };
      if (minute === undefined) continue;
      samples.push([minute, rendererBytes()]);
      onSample(minute);
    }
  } finally {
    await browser?.close();
    await server.close?.();
  }
}
