// Node, Deno and Bun: one process each, the result is the last line that it prints.

import { basename, join } from "node:path";
import { excerpt, runProcess, withServer } from "./process.mjs";

export function lastLine(out) {
  return out.trimEnd().split("\n").at(-1);
}

async function output(app, command, args, settings) {
  const { code, out, err } = await runProcess(command, args, { cwd: app.folder, ...settings });
  if (code !== 0) throw new Error(`ended with ${code}: ${excerpt(err || out)}`);
  return lastLine(out);
}

/** The suite, then the examples: `host` and `examples` are files of the app. */
export async function runConsole(app, command, args, { host, examples, source, env, limit }) {
  const run = (...more) => output(app, command, [...args, ...more], { env, limit });
  const results = [];
  try {
    results.push({
      where: "process",
      result: JSON.parse(await run(host, JSON.stringify({ source }))),
    });
  } catch (error) {
    results.push({ where: "process", failure: error.message });
  }
  for (const example of examples) results.push(await runExample(example, () => run(example)));
  return results;
}

const answer = "-64 32 127";

/** An example: what it says must be the answer, by default that of examples/runtimes. */
export async function runExample(example, run, expected = answer) {
  const where = basename(example);
  try {
    const said = await run();
    if (said !== expected) throw new Error(`expected "${expected}", got "${said}"`);
    return { where };
  } catch (error) {
    return { where, failure: error.message };
  }
}

/** The server of examples/deno-bun.mjs, started as its comment says, on a free port. */
export function runServer(app, command, args, env) {
  return runExample(
    "deno-bun.mjs",
    () =>
      withServer(
        command,
        [...args, "recipes/deno-bun.mjs"],
        { cwd: app.folder, env, expression: /http:\/\/[^\s/]+:(\d+)/ },
        async (port) => {
          const post = (body) => fetch(`http://127.0.0.1:${port}/`, { method: "POST", body });
          const good = await post(Float32Array.of(-1, 0.5, 1));
          const values = new Int8Array(await good.arrayBuffer());
          const bad = await post("abc");
          return `${good.status} ${values.join(" ")}, ${bad.status} ${await bad.text()}`;
        },
      ),
    "200 -127 64 127, 400 expected f32 values",
  );
}

export async function versionOf(command, args = ["--version"]) {
  const { out } = await runProcess(command, args);
  return out.match(/\d[\w.+-]*/)[0];
}

/** The folder where Deno keeps what it has compiled: the app's, so that a run starts cold. */
export const denoEnv = (app) => ({
  DENO_DIR: join(app.folder, "deno"),
  DENO_NO_UPDATE_CHECK: "1",
  NO_COLOR: "1",
});
