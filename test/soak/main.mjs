/** npm run soak: one process at work for minutes, its memory flat; HELP says how. */
import { integerOption, runCommand, writeJson } from "../../tools/command.mjs";
import { createProgress } from "../../tools/progress.mjs";
import { residentFigures, soak } from "./work.mjs";

const HELP = `
One process at work: layers, indexes, observers and workers, made, used and disposed in growing and
shrinking sizes, on an instance whose workers have memories of their own and on one whose workers
share its memory. Every answer is compared with the first one of its size. After the first minute
the WebAssembly memory must not grow, and the resident memory must have no trend. Runs in Node, Deno
(deno run -A test/soak/main.mjs) and Bun (bun test/soak/main.mjs), and with --chromium in a page.

  --minutes N  how long; default 10
  --workers N  workers of each pool; default 2
  --seed N     of the work; default 1
  --chromium   in a page of Debian's chromium, driven from Node. npm run runtimes installs what that
               needs
  --json FILE  also writes the figures as one JSON object`;

/** Growth of the resident memory that counts as a trend, as a share of it per minute. */
const TREND = 0.005;

async function inThisProcess(work, onSample) {
  const samples = [];
  const figures = await soak({
    ...work,
    onSample(minute) {
      samples.push([minute, process.memoryUsage().rss]);
      onSample(minute);
    },
  });
  return { figures, samples };
}

async function main(values) {
  const minutes = integerOption("minutes", values.minutes, 1, 10_000);
  const workers = integerOption("workers", values.workers, 0, 64);
  const seed = integerOption("seed", values.seed, 0, 2 ** 31 - 1);
  const progress = createProgress("seconds", minutes * 60);
  const onSample = (minute) => progress(Math.min(Math.floor(minute * 60), minutes * 60));
  const run = values.chromium ? (await import("./chromium.mjs")).inChromium : inThisProcess;
  const { figures, samples } = await run({ minutes, workers, seed }, onSample);
  progress.clear();
  const resident = residentFigures(samples);
  const { residentBytes, residentBytesPerMinute } = resident;
  const residentTrend = residentBytesPerMinute > TREND * residentBytes ? 1 : 0;
  const all = { ...figures, ...resident, residentTrend };
  for (const [name, value] of Object.entries(all)) console.log(`${name}  ${value}`);
  writeJson(values.json, { command: "soak", minutes, workers, seed, figures: all, samples });
  const { wrong, wasmGrowthAfterFirstMinute: growth, leakedBytes } = all;
  if (wrong > 0 || growth > 0 || leakedBytes > 0 || residentTrend) process.exitCode = 1;
}

const options = {
  minutes: { type: "string", default: "10" },
  workers: { type: "string", default: "2" },
  seed: { type: "string", default: "1" },
  chromium: { type: "boolean", default: false },
};
await runCommand({ help: HELP, options }, main);
