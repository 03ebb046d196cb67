/**
 * What a worker runs. The pool's tests have it at work; here is how a module of one's own calls it.
 */
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { matmul } from "../../src/entries/index.ts";
import * as loaded from "../../src/entries/load.ts";
import { matmul as matmulPooled } from "../../src/workers/index.ts";
import { serve } from "../../src/workers/worker.ts";
import { moduleOf } from "../support/builds.ts";
import { bytes, expectSame } from "../support/samples.ts";

describe("serve", () => {
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

  it("expects to run in a worker", () => {
    expect(serve).toThrow(new TypeError('"serve" expected to run in a worker, got a main thread'));
  });
});
