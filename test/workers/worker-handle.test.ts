/** Workers of either kind of platform, and of none. */
import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, it, vi } from "vitest";
import { matmul } from "../../src/entries/index.ts";
import { createBytelaneSync } from "../../src/entries/load.ts";
import { matmul as matmulPooled } from "../../src/workers/index.ts";
import { WORKER } from "../../src/workers/worker-text.ts";
import { moduleOf } from "../support/builds.ts";
import { bytes, expectSame } from "../support/samples.ts";

const SIZES = { m: 8, n: 8, depth: 8 };
const data = bytes("i8", 64, 1);
const open = (worker?: unknown) =>
  createBytelaneSync({
    simd: moduleOf("simd"),
    workers: {
      size: 1,
      minimumWork: 0,
      ...(worker !== undefined && { worker: worker as () => unknown }),
    },
  });
const run = (instance: ReturnType<typeof open>) =>
  matmulPooled(instance, { values: data }, { values: data }, { ...SIZES, out: new Int32Array(64) });
const wanted = matmul(
  open(),
  { values: data },
  { values: data },
  { ...SIZES, out: new Int32Array(64) },
);

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

type Listener = (event: object) => void;

/** A web worker, made of one of Node. */
class WebWorker {
  static readonly made: WebWorker[] = [];
  readonly address: string;
  readonly listeners = new Map<string, Listener>();
  readonly inner: Worker;
  terminated = false;

  constructor(address: string, options: object) {
    expect(options).toEqual({ type: "module" });
    this.address = address;
    this.inner = new Worker(new URL(`data:text/javascript,${encodeURIComponent(WORKER)}`));
    this.inner.on("message", (value) => this.listeners.get("message")?.({ data: value }));
    WebWorker.made.push(this);
  }

  addEventListener(kind: string, listener: Listener): void {
    this.listeners.set(kind, listener);
  }

  postMessage(message: unknown, transfer: ArrayBuffer[]): void {
    this.inner.postMessage(message, transfer);
  }

  terminate(): void {
    this.terminated = true;
    this.inner.terminate();
  }
}

describe("a platform of web workers", () => {
  it("makes one from text, at an address of its own origin", async () => {
    vi.stubGlobal("Worker", WebWorker);
    const blobs: Blob[] = [];
    vi.spyOn(URL, "createObjectURL").mockImplementation((blob) => {
      blobs.push(blob as Blob);
      return "blob:1";
    });
    const instance = open();
    expectSame(await run(instance), wanted);
    const other = open();
    expectSame(await run(other), wanted);
    expect(WebWorker.made.map(({ address }) => address)).toEqual(["blob:1", "blob:1"]);
    expect(blobs.length).toBe(1);
    expect(blobs[0].type).toBe("text/javascript");
    expect(await blobs[0].text()).toBe(WORKER);
    instance.dispose();
    other.dispose();
    expect(WebWorker.made.every(({ terminated }) => terminated)).toBe(true);
  });

  it.each([
    ["error", { message: "Uncaught Error: out of paper" }, "Uncaught Error: out of paper"],
    ["error", {}, "it could not be loaded"],
    ["messageerror", {}, "a message could not be read"],
    ["close", {}, "it closed"],
  ])("hears of the end of one by the event %s %o", async (kind, event, words) => {
    let made: WebWorker | undefined;
    const instance = open(() => {
      made = new WebWorker("", { type: "module" });
      return made;
    });
    await run(instance);
    const pending = run(instance);
    const prevented = vi.fn();
    made?.listeners.get(kind)?.({ preventDefault: prevented, ...event });
    await expect(pending).rejects.toThrow(
      new Error(`"options.workers" expected workers that go on, got one that ended: ${words}`),
    );
    // no word of it to the page, which has the rejection
    expect(prevented).toHaveBeenCalledTimes(kind === "error" ? 1 : 0);
    expect(made?.terminated).toBe(true);
    expectSame(await run(instance), wanted);
    instance.dispose();
  });
});

describe("the options", () => {
  it("expect a function that makes workers", async () => {
    const call = (worker: unknown) => run(open(worker));
    await expect(call(7)).rejects.toThrow(
      new TypeError('"options.workers.worker" expected a function that makes a worker, got 7'),
    );
    await expect(call(() => "worker")).rejects.toThrow(
      new TypeError(
        '"options.workers.worker" expected a function that makes a worker, got "worker"',
      ),
    );
  });

  it("expect a page that takes workers from text", async () => {
    // a policy without blob: WebKit throws, other engines tell in an event
    vi.spyOn(URL, "createObjectURL").mockReturnValue("blob:1");
    vi.stubGlobal(
      "Worker",
      class {
        constructor() {
          throw new Error("The operation is insecure.");
        }
      },
    );
    const instance = open();
    await expect(run(instance)).rejects.toThrow(
      '"options.workers" expected a page that takes workers from text, got one that does not: The operation is insecure.',
    );
    expect(instance.bytesUsed).toBe(0);
    vi.unstubAllGlobals();
    expectSame(await run(instance), wanted);
    instance.dispose();
  });

  it("expect a platform that has workers", async () => {
    vi.spyOn(process, "getBuiltinModule").mockReturnValue(undefined as never);
    const instance = open();
    await expect(run(instance)).rejects.toThrow(
      '"options.workers" expected 0, since this platform has no workers, got more',
    );
    expect(instance.bytesUsed).toBe(0);
    vi.restoreAllMocks();
    expectSame(await run(instance), wanted);
    instance.dispose();
  });
});
