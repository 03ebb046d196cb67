// npm run runtimes: the packed tarball and the same conformance suite on every runtime.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { runCommand, writeJson } from "../../tools/command.mjs";
import { textTable } from "../../tools/table.mjs";
import { prepareApp } from "./app.mjs";
import { ensurePrograms } from "./debian.mjs";
import { cache, installPinned, pack } from "./pack.mjs";
import { runtimes } from "./runtimes.mjs";

const usage = `npm run runtimes -- [options]
  --only a,b        only these, of those below
  --allow-missing   a runtime that cannot be had here does not fail the run
  --tarball FILE    test this tarball instead of packing the project
  --update          write the digests of this run as the golden ones, if all agree
  --json FILE       write everything as one JSON object
Runtimes:
  ${runtimes
    .map(({ name }) => name)
    .join(" ")
    .replaceAll(/(.{60,70}) /g, "$1\n  ")}
They come from npm into .cache/runtimes and, as root on Debian, by apt-get install.
`;

const here = dirname(fileURLToPath(import.meta.url));
const goldenFile = join(here, "digests.golden.json");

const OPTIONS = {
  only: { type: "string" },
  "allow-missing": { type: "boolean", default: false },
  tarball: { type: "string" },
  update: { type: "boolean", default: false },
};

function select(only) {
  if (only === undefined) return runtimes;
  const names = only.split(",");
  const known = runtimes.map(({ name }) => name);
  for (const name of names) {
    if (!known.includes(name)) {
      throw new RangeError(`"--only" expected names out of ${known.join(", ")}, got ${name}`);
    }
  }
  return runtimes.filter(({ name }) => names.includes(name));
}

const say = (text) => process.stderr.write(`${text}\n`);

async function runOne(runtime, app, folder) {
  if (runtime.programs !== undefined) {
    const why = ensurePrograms(runtime.programs, runtime.packages);
    if (why !== undefined) return { missing: why };
  }
  const lacking = runtime.ensure?.();
  if (lacking !== undefined) return { missing: lacking };
  const path = runtime.npm && join(folder, "node_modules", ...runtime.npm);
  if (path !== undefined && !existsSync(path)) {
    return {
      missing: `npm has no ${runtime.npm.join("/")} for ${process.platform} ${process.arch}`,
    };
  }
  try {
    return await runtime.run(app, path);
  } catch (error) {
    return { version: "?", results: [{ where: "start", failure: error.message }] };
  }
}

/** Flattens a runtime's answer into table rows, one per tier and place. */
function rowsOf(runtime, answer) {
  const base = { runtime: runtime.name, version: answer.version ?? "–" };
  if (answer.missing !== undefined) {
    return [{ ...base, tier: "–", where: "–", state: "missing", detail: answer.missing }];
  }
  const rows = [];
  for (const { where, result, failure, refusal } of answer.results) {
    if (result === undefined) {
      const state = failure === undefined ? "pass" : "fail";
      const words = refusal === undefined ? undefined : `refused: ${refusal}`;
      rows.push({ ...base, tier: "–", where, state, detail: failure ?? words });
      continue;
    }
    for (const tier of result.tiers) {
      const starts = result.rows.filter((row) => row.tier === tier);
      const row = { ...base, tier, where, starts, state: "pass" };
      const failures = starts
        .filter((start) => start.failure !== undefined)
        .map((start) => `${start.start}: ${start.failure}`);
      if (starts.length === 0) failures.push("expected a result, got none");
      if (failures.length > 0) Object.assign(row, { state: "fail", detail: failures.join("\n") });
      rows.push(row);
    }
    for (const tier of result.tiers) {
      const pools = result.pools.filter((pool) => pool.tier === tier);
      const row = { ...base, tier, where: `${where}, pool`, pools, state: "pass" };
      const failures = pools.filter(({ failure }) => failure !== undefined);
      if (pools.length === 0 || failures.length > 0) {
        const words = failures.map(({ name, failure }) => `${name}: ${failure}`);
        Object.assign(row, { state: "fail", detail: words.join("\n") || "no pool was tried" });
      }
      rows.push(row);
    }
    for (const detail of result.failures) {
      rows.push({ ...base, tier: "–", where, state: "fail", detail });
    }
    for (const [tier, words] of Object.entries(result.refused)) {
      rows.push({ ...base, tier, where, state: "none", detail: `refused: ${words}` });
    }
  }
  return rows;
}

const firstUnequal = (expected, got) =>
  Object.keys({ ...expected, ...got }).find((name) => expected[name] !== got[name]);

/** Digests of the cases of each group in their order, 4 digits each: what the golden file holds. */
function briefCases(cases) {
  const brief = {};
  for (const [label, digest] of Object.entries(cases)) {
    const group = label.split("/")[0];
    brief[group] = (brief[group] ?? "") + digest.slice(0, 4);
  }
  return brief;
}

/** The first case of a group whose digest is not the expected one, or undefined. */
function firstCase(group, expected, cases) {
  const labels = Object.keys(cases).filter((label) => label.startsWith(`${group}/`));
  const got = briefCases(cases)[group] ?? "";
  for (const [i, label] of labels.entries()) {
    if (got.slice(4 * i, 4 * i + 4) !== expected.slice(4 * i, 4 * i + 4)) return label;
  }
  return expected.length > got.length ? `a case after ${labels.at(-1)}` : undefined;
}

/** Marks every row whose digest is not the expected one, with the first case that differs. */
function compare(rows, expected) {
  for (const row of rows) {
    for (const start of row.starts ?? []) {
      if (start.digest === undefined || start.digest === expected.digest) continue;
      const group = firstUnequal(expected.groups, start.groups);
      const unequal = firstCase(group, expected.cases?.[group] ?? "", start.cases);
      row.state = "fail";
      row.detail =
        `${start.start}: digest ${start.digest}, expected ${expected.digest}; ` +
        `first unequal group: ${group}; its first unequal case: ${unequal ?? "unknown"}`;
    }
  }
}

function print(rows) {
  const cells = rows.map((row) => [
    row.runtime,
    row.version,
    row.tier,
    row.where,
    (row.starts?.map(({ start }) => start) ?? row.pools?.map(({ name }) => name) ?? []).join(", "),
    { pass: "pass", fail: "FAIL", missing: "MISSING", none: "not offered" }[row.state],
    row.starts?.[0]?.digest ?? "",
    row.starts?.[0]?.createMs?.toFixed(1) ?? "",
  ]);
  const head = ["runtime", "version", "tier", "where", "starts", "result", "digest", "create ms"];
  console.log(textTable([head, ...cells], { left: [0, 1, 2, 3, 4, 5, 6], rule: true }));
  const notes = new Map();
  for (const { state, detail, runtime, where, tier } of rows) {
    if (detail === undefined) continue;
    const text = `${state === "none" ? "not offered" : state}: ${detail}`;
    notes.set(text, [...(notes.get(text) ?? []), `${runtime} (${where}, ${tier})`]);
  }
  for (const [text, places] of notes) {
    const more = places.length > 2 ? ` and ${places.length - 2} more` : "";
    console.log(`\n${places.slice(0, 2).join(", ")}${more}\n  ${text.replaceAll("\n", "\n  ")}`);
  }
}

async function main(options) {
  const selected = select(options.only);
  const tarball = pack(options.tarball);
  const app = prepareApp(tarball);
  const folder = join(cache, "runtimes");
  if (selected.some((runtime) => runtime.npm)) installPinned(here, folder);

  const rows = [];
  for (const runtime of selected) {
    const begun = performance.now();
    const answer = await runOne(runtime, app, folder);
    rows.push(...rowsOf(runtime, answer));
    say(
      `${runtime.name} ${answer.version ?? "missing"}: ${((performance.now() - begun) / 1000).toFixed(1)} s`,
    );
  }

  const ran = rows.flatMap((row) => row.starts ?? []).filter(({ digest }) => digest !== undefined);
  const golden =
    !options.update && existsSync(goldenFile)
      ? JSON.parse(readFileSync(goldenFile, "utf8"))
      : undefined;
  if (ran.length > 0) {
    compare(rows, golden ?? { ...ran[0], cases: briefCases(ran[0].cases) });
  }

  print(rows);
  const count = (state) => rows.filter((row) => row.state === state).length;
  const missing = count("missing");
  const failed = count("fail");
  if (golden === undefined && !options.update) {
    console.log(
      `\nno ${relative(process.cwd(), goldenFile)}: digests were compared with each other only`,
    );
  }
  if (options.update && failed === 0 && ran.length > 0) {
    const { digest, groups, cases } = ran[0];
    const text = JSON.stringify({ digest, groups, cases: briefCases(cases) }, null, 2);
    writeFileSync(goldenFile, `${text}\n`);
  }
  console.log(`\n${count("pass")} passed, ${failed} failed, ${missing} missing`);
  if (options.json !== undefined) {
    // two thousand digests per row tell nothing where all of them are equal
    for (const start of ran.slice(1)) if (start.digest === ran[0].digest) delete start.cases;
    const figures = { passed: count("pass"), failed, missing };
    writeJson(options.json, { figures, golden: golden?.digest, rows });
  }
  if (failed > 0 || ran.length === 0 || (missing > 0 && !options["allow-missing"])) {
    process.exitCode = 1;
  }
}

await runCommand({ help: usage, options: OPTIONS }, main);
