/** A worker of a pool, of the platform's kind: a web worker, or one of Node. */
import { typeFault } from "../core/check.ts";
import { WORKER } from "./worker-text.ts";

export interface WorkerHandle {
  post(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  /** While it has work, the process waits for it. */
  hold(hasWork: boolean): void;
  end(): void;
}

/** The members of both kinds, and optional ones of a single kind. */
interface AnyWorker {
  postMessage(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  terminate(): unknown;
  ref?(): void;
  unref?(): void;
  on?(event: string, listener: (value: unknown) => void): void;
  addEventListener?(event: string, listener: (event: WorkerEvent) => void): void;
}

interface WorkerEvent {
  readonly data?: unknown;
  readonly message?: string;
  preventDefault(): void;
}

/** The text as an address: a worker of the page's own origin can take a shared memory. */
let blobAddress: string | undefined;

function makeWorker(): unknown {
  const { Worker, process } = globalThis;
  // web workers of Deno would keep an idle process alive
  if (typeof Worker === "function" && !("Deno" in globalThis)) {
    blobAddress ??= URL.createObjectURL(new Blob([WORKER], { type: "text/javascript" }));
    try {
      return new Worker(blobAddress, { type: "module" });
    } catch (cause) {
      // WebKit throws where a policy forbids workers from text; other engines send an event
      throw new Error(
        `"options.workers" expected a page that takes workers from text, got one that does not: ${(cause as Error).message}`,
        { cause },
      );
    }
  }
  const threads = process?.getBuiltinModule?.("worker_threads");
  if (!threads) {
    throw new TypeError(
      '"options.workers" expected 0, since this platform has no workers, got more',
    );
  }
  return new threads.Worker(new URL(`data:text/javascript,${encodeURIComponent(WORKER)}`));
}

/**
 * Workers that have work; the set keeps them alive. Firefox collects a worker that is reachable
 * only from its own listeners, even while it works, and the call that waits for it never ends. This
 * was seen with an instance in a local variable of the awaiting function.
 */
const working = /* @__PURE__ */ new Set<AnyWorker>();

/** Starts a worker. `lose` is called when it ends, unless this library ended it. */
export function openWorker(
  make: (() => unknown) | undefined,
  receive: (message: unknown) => void,
  lose: (why: string) => void,
): WorkerHandle {
  const worker = (make ?? makeWorker)() as AnyWorker;
  if (typeof worker?.postMessage !== "function" || typeof worker.terminate !== "function") {
    throw typeFault("options.workers.worker", "a function that makes a worker", worker);
  }
  if (worker.on) {
    worker.on("message", receive);
    worker.on("error", (fault) => lose(String((fault as Error)?.message ?? fault)));
    worker.on("exit", (code) => lose(`exit code ${code}`));
  } else {
    worker.addEventListener?.("message", ({ data }) => receive(data));
    worker.addEventListener?.("error", (event) => {
      // the error is handled here, so the page does not report it again
      event.preventDefault();
      lose(event.message || "it could not be loaded");
    });
    worker.addEventListener?.("messageerror", () => lose("a message could not be read"));
    worker.addEventListener?.("close", () => lose("it closed"));
  }
  worker.unref?.();
  return {
    post: (message, transfer) => worker.postMessage(message, transfer),
    hold(hasWork) {
      if (hasWork) working.add(worker);
      else working.delete(worker);
      if (hasWork) worker.ref?.();
      else worker.unref?.();
    },
    end() {
      working.delete(worker);
      worker.terminate();
    },
  };
}
