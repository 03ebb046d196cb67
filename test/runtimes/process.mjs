// Child processes with a time limit, ended as a whole group.

import { spawn } from "node:child_process";

/** The end of what a program said: errors can quote a whole bundle. */
export function excerpt(text) {
  const lines = text
    .trim()
    .split("\n")
    .map((line) => (line.length > 300 ? `${line.slice(0, 300)}…` : line));
  return lines.slice(-30).join("\n");
}

const groups = new Set();

// browsers and their servers are groups of their own: they would outlive an interrupted run
process.on("exit", () => groups.forEach(endGroup));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));

/** How often a time limit is looked at. */
const TICK = 100;

/**
 * Calls `late` after so many milliseconds in which this process ran; returns what prevents that.
 * A machine may pause its processes for a minute: that is no time in which a child could have run.
 */
export function timeLimit(milliseconds, late) {
  let left = milliseconds;
  let seen = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    left -= Math.min(now - seen, 2 * TICK);
    seen = now;
    if (left > 0) return;
    clearInterval(timer);
    late();
  }, TICK);
  return () => clearInterval(timer);
}

/**
 * Runs to the end. Resolves with { code, out, err }; rejects when the limit has passed, as
 * `timeLimit` counts it.
 */
export function runProcess(command, args, { cwd, env, limit = 120_000 } = {}) {
  return new Promise((done, fail) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    groups.add(child);
    child.on("close", () => groups.delete(child));
    let out = "";
    let err = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      out += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      err += text;
    });
    const stop = timeLimit(limit, () => {
      endGroup(child);
      fail(new Error(`${command} expected to end within ${limit} ms; it said: ${excerpt(err)}`));
    });
    child.on("error", (error) => {
      stop();
      fail(error);
    });
    child.on("close", (code) => {
      stop();
      done({ code, out, err });
    });
  });
}

/** Starts a process that stays; `endGroup` ends it with everything that it has started. */
export function startProcess(command, args, env = {}) {
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", "ignore"],
    detached: true,
  });
  groups.add(child);
  return child;
}

/**
 * Runs a server and something against it: `use(port)`. The port is what `expression` finds in the
 * words of the server.
 */
export async function withServer(command, args, { cwd, env, expression, limit = 120_000 }, use) {
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  groups.add(child);
  let said = "";
  try {
    const port = await new Promise((done, fail) => {
      const wrong = (words) => fail(new Error(`${command} ${words}; it said: ${excerpt(said)}`));
      const timer = setTimeout(() => wrong(`expected to serve within ${limit} ms`), limit);
      const hear = (text) => {
        said += text;
        const found = expression.exec(said);
        if (!found) return;
        clearTimeout(timer);
        done(Number(found[1]));
      };
      child.stdout.setEncoding("utf8").on("data", hear);
      child.stderr.setEncoding("utf8").on("data", hear);
      child.on("error", fail);
      child.on("close", (code) => wrong(`ended with ${code}`));
    });
    return await use(port);
  } finally {
    endGroup(child);
  }
}

export function endGroup(child) {
  groups.delete(child);
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}
