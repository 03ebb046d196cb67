/** Runs tests against mutants in child processes, which are replaced where one hangs. */
import { fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const CHILD = fileURLToPath(new URL("child.mjs", import.meta.url));

/** A mutant loops for ever where its tests take so much more processor time than without it. */
const SLOWER = 10;
const PATIENCE = 4000;
/** The clock counts where a process waits for what never comes, or a system does not say. */
const BY_THE_CLOCK = 30;
const LOOK = 250;
/** Modules are never unloaded: a process ends after so many. */
const LOADS = 60;

/** A process, its answers as promises. */
class Runner {
  #child;
  #loads = 0;

  async #start() {
    this.end();
    this.#loads = 0;
    this.#child = fork(CHILD, { stdio: ["ignore", "ignore", "ignore", "ipc"] });
    await this.#answer(60_000);
  }

  /**
   * The next answer, or undefined where the process ends or takes too long. Where it says which
   * test it begins, `limitOf` says how long that may take.
   */
  #answer(milliseconds, limitOf) {
    const child = this.#child;
    return new Promise((resolve) => {
      let [started, used] = [performance.now(), processorTime(child.pid) ?? 0];
      let limit = milliseconds;
      const done = (answer) => {
        if (answer?.begins !== undefined) {
          [started, used] = [performance.now(), processorTime(child.pid) ?? 0];
          limit = limitOf(answer.begins);
          return;
        }
        clearInterval(timer);
        child.off("message", done);
        child.off("exit", gone);
        resolve(answer);
      };
      const gone = () => done(undefined);
      const timer = setInterval(() => {
        const spent = (processorTime(child.pid) ?? 0) - used;
        const isLate = performance.now() - started > BY_THE_CLOCK * limit;
        if (spent > limit || isLate) gone();
      }, LOOK);
      child.on("message", done);
      child.on("exit", gone);
    });
  }

  async ask(message, milliseconds, limitOf) {
    if (!this.#child || this.#loads++ >= LOADS) await this.#start();
    this.#child.send(message, () => {});
    const answer = await this.#answer(milliseconds, limitOf);
    if (answer === undefined) this.end();
    return answer;
  }

  end() {
    this.#child?.kill("SIGKILL");
    this.#child = undefined;
  }
}

/** Milliseconds that a process has run, where the system says so: others may keep it waiting. */
function processorTime(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /, "")
      .split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return undefined;
  }
}

export class Judge {
  #runner = new Runner();
  /** The test files: `{ bundle, name, onLoad, tests }`. */
  #files = [];

  /** Runs every test once without a mutant: which mutants it meets, and how long it takes. */
  async survey(bundles, names, onProgress) {
    for (const [i, file] of bundles.entries()) {
      onProgress(i, names[i]);
      const found = await this.#runner.ask({ file }, 180_000);
      if (found?.tests) this.#files.push({ file, name: names[i], ...found });
      else console.log(`cannot run ${names[i]}: ${found?.fault ?? "it does not end"}`);
    }
    const tests = this.#files.flatMap((each) => each.tests);
    const passing = tests.filter(({ passes }) => passes).length;
    return { tests: tests.length, passing };
  }

  /**
   * Tests that a mutant can fail, by file, the fastest first. For `kernels`, the exports that run
   * the code of a mutant in assembly/, those of the same room come first, and fuzzed calls next.
   */
  #coveringOf({ file: source, id, kernels }) {
    const wanted = kernels ? kernels.map((name) => `kernel ${name}`) : [id];
    const chosen = this.#files.map(({ file, name, onLoad, tests }) => {
      // a file that is loaded calls kernels to probe them
      const isEvery = !kernels && onLoad.includes(id);
      const indices = tests.flatMap(({ passes, hits }, i) =>
        passes && (isEvery || wanted.some((hit) => hits.includes(hit))) ? [i] : [],
      );
      const milliseconds = indices.reduce((sum, i) => sum + tests[i].milliseconds, 0);
      const limitOf = (i) => PATIENCE + SLOWER * tests[i].milliseconds;
      return { file, name, indices, milliseconds, limitOf };
    });
    const rooms = source.split(/[/.]/).slice(1, -1);
    const rank = ({ name }) => {
      if (!kernels) return 0;
      if (rooms.some((room) => name.includes(room))) return 0;
      return /fuzz/.test(name) ? 1 : 2;
    };
    return chosen
      .filter(({ indices }) => indices.length > 0)
      .sort((a, b) => rank(a) - rank(b) || a.milliseconds - b.milliseconds);
  }

  /** The file whose tests find a mutant out, or undefined; and how many files were tried. */
  async judge(mutant) {
    const covering = this.#coveringOf(mutant);
    for (const { file, name, indices, limitOf } of covering) {
      const { id, pieces } = mutant;
      const message = { file, mutant: id, pieces, tests: indices };
      // until the first test begins, the file is loaded
      const answer = await this.#runner.ask(message, 20_000, limitOf);
      // no answer: the mutant loops for ever, or ends the process
      if (!answer || answer.failed || answer.fault) return { killer: name };
    }
    return { killer: undefined, covering: covering.map(({ name }) => name) };
  }

  end() {
    this.#runner.end();
  }
}
