/**
 * What a worker runs. The pool's tests have it at work; here is how a module of one's own calls it.
 */
import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, it, vi } from "vitest";
import { matmul } from "../../src/entries/index.ts";
import * as loaded from "../../src/entries/load.ts";
import { matmul as matmulPooled } from "../../src/workers/index.ts";
import { serve } from "../../src/workers/worker.ts";
import { moduleOf } from "../support/builds.ts";
import { bytes, expectSame } from "../support/samples.ts";

describe("serve", () => {
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  it.each(["one memory", "many memories"])("in a module of one's own, over %s", async (flavour) => {
    const entry = new URL("../../dist/workers.js", import.meta.url);
    const text = `import { serve } from "${entry}"; serve();`;
    const worker = () => new Worker(new URL(`data:text/javascript,${encodeURIComponent(text)}`));
    const pool = { size: 2, minimumWork: 0, worker };
    const shared = flavour === "one memory";
    const simd = moduleOf(shared ? "simd.threads" : "simd");
    const instance = loaded.createBytelaneSync({ simd, workers: pool, shared });
    const data = bytes("i8", 60 * 60, 1);
    const sizes = { m: 60, n: 60, depth: 60 };
    const call = [{ values: data }, { values: data }] as const;
    expectSame(
      await matmulPooled(instance, ...call, {
        ...sizes,
        out: new Int32Array(3600),
      }),
      matmul(instance, ...call, { ...sizes, out: new Int32Array(3600) }),
    );
    instance.dispose();
  });

  it("does no task after one that failed, in a worker that goes on", () => {
    const answers: unknown[] = [];
    let receive: (event: { data: unknown }) => void = () => {};
    vi.stubGlobal("postMessage", (answer: unknown) => answers.push(answer));
    vi.stubGlobal("addEventListener", (_: string, listener: typeof receive) => {
      receive = listener;
    });
    const nothing = { pieces: [], modules: [], workspace: 0, next: 0, size: 0, writes: [] };
    serve();
    receive({ data: { module: moduleOf("simd"), memory: undefined } });
    receive({ data: { ...nothing, job: 1, reads: [[64, 4]] } });
    expect(answers).toEqual([{ job: 1, results: [new Uint8Array(4)] }]);
    expect(() => receive({ data: { ...nothing, job: 2, reads: undefined } })).toThrow(TypeError);
    receive({ data: { ...nothing, job: 3, reads: [] } });
    expect(answers.length).toBe(1);
  });

  it("expects to run in a worker", () => {
    expect(serve).toThrow(new TypeError('"serve" expected to run in a worker, got a main thread'));
  });
});
