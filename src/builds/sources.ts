/** Builds that come from elsewhere: what a source may be, and how it becomes a module. */
import { checkObject, typeFault } from "../core/check.ts";
import type { Build } from "../core/tiers.ts";
import { type BytelaneOptions, isModule } from "./choose.ts";

/** A build at once: a module, or the bytes of one. */
export type ReadySource = WebAssembly.Module | BufferSource;

/** A build, or where it is. A text is an address as `fetch` takes it, or where there is no page the path of a file. */
export type BuildSource =
  | ReadySource
  | URL
  | string
  | Response
  | PromiseLike<ReadySource | URL | string | Response>;

/** Where the builds come from, one of them at least. "relaxed" runs where the engine has relaxed SIMD. */
export interface LoadOptions extends BytelaneOptions {
  /** bytelane.simd.wasm; for "bytelane/threads" bytelane.simd.threads.wasm. */
  readonly simd?: BuildSource;
  /** bytelane.relaxed.wasm; for "bytelane/threads" bytelane.relaxed.threads.wasm. */
  readonly relaxed?: BuildSource;
}

/** The same, with nothing to wait for. */
export interface ReadyOptions extends BytelaneOptions {
  /** As in `LoadOptions`. */
  readonly simd?: ReadySource;
  /** As in `LoadOptions`. */
  readonly relaxed?: ReadySource;
}

export function checkSources<O extends LoadOptions>(options: O): O {
  checkObject("options", options);
  if (options.simd === undefined && options.relaxed === undefined) {
    throw typeFault("options", "a build, as simd or as relaxed", options);
  }
  return options;
}

/** Errors unless a module is one of Bytelane, and of the kind that the entry runs. */
function checkModule(module: WebAssembly.Module, name: Build, threaded: boolean) {
  const has = WebAssembly.Module.exports(module).some((each) => each.name === "heap_base");
  const imports = WebAssembly.Module.imports(module).map(({ kind }) => kind);
  if (!has || String(imports) !== (threaded ? "memory" : "")) {
    const file = `bytelane.${name}.${threaded ? "threads." : ""}wasm`;
    throw typeFault(`options.${name}`, `the module of ${file}`, module);
  }
  return module;
}

/** The bytes of a buffer source, or undefined. V8 compiles no DataView. */
function bytesOf(value: unknown): BufferSource | undefined {
  if (ArrayBuffer.isView(value)) {
    return new Uint8Array(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength);
  }
  const tag = Object.prototype.toString.call(value);
  return tag === "[object ArrayBuffer]" ? (value as ArrayBuffer) : undefined;
}

function missing(name: Build, place: string, got: string, cause?: unknown): Error {
  return new Error(`"options.${name}" expected a file at ${place}, got ${got}`, { cause });
}

async function compileResponse(response: Response, name: Build): Promise<WebAssembly.Module> {
  if (!response.ok) throw missing(name, response.url, `status ${response.status}`);
  const type = response.headers.get("content-type")?.trim().toLowerCase();
  return type === "application/wasm" && WebAssembly.compileStreaming !== undefined
    ? WebAssembly.compileStreaming(response)
    : WebAssembly.compile(await response.arrayBuffer());
}

/** What is at an address: the bytes of a file in Node, whose `fetch` takes none, else a response. */
async function reach(address: URL | string, name: Build): Promise<BufferSource | Response> {
  const { document, location, process } = globalThis;
  const url = new URL(address, document?.baseURI ?? location?.href ?? "file:///");
  try {
    return url.protocol === "file:" && typeof process?.getBuiltinModule === "function"
      ? new Uint8Array(await process.getBuiltinModule("fs").promises.readFile(url))
      : await fetch(url);
  } catch (cause) {
    throw missing(name, url.href, (cause as Error).message, cause);
  }
}

async function compile(source: BuildSource, name: Build): Promise<WebAssembly.Module> {
  const given: unknown = await source;
  if (isModule(given)) return given;
  const tag = Object.prototype.toString.call(given);
  const isAddress = tag === "[object URL]" || tag === "[object String]";
  const found = isAddress ? await reach(given as unknown as URL | string, name) : given;
  const bytes = bytesOf(found);
  if (bytes) return WebAssembly.compile(bytes);
  if (isAddress || tag === "[object Response]")
    return compileResponse(found as unknown as Response, name);
  throw typeFault(`options.${name}`, "a module, bytes, an address or a Response", given);
}

/** The module of a source. */
export async function moduleOf(
  source: BuildSource,
  name: Build,
  threaded: boolean,
): Promise<WebAssembly.Module> {
  return checkModule(await compile(source, name), name, threaded);
}

/** The module of a source that is there. */
export function readyModuleOf(
  source: ReadySource,
  name: Build,
  threaded: boolean,
): WebAssembly.Module {
  const bytes = bytesOf(source);
  if (!isModule(source) && !bytes) {
    throw typeFault(`options.${name}`, "a module or bytes, since nothing is waited for", source);
  }
  const module = bytes ? new WebAssembly.Module(bytes) : (source as WebAssembly.Module);
  return checkModule(module, name, threaded);
}
