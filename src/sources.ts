/** Builds that come from elsewhere: what a source may be, and how it becomes a module. */
import { checkObject, typeFault } from "./check.ts";
import { type BytelaneOptions, isModule } from "./instance.ts";
import type { Build } from "./lane.ts";

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
  readonly simd?: BuildSource;
  readonly relaxed?: BuildSource;
}

/** The same, with nothing to wait for. */
export interface ReadyOptions extends BytelaneOptions {
  readonly simd?: ReadySource;
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

function isBytes(value: unknown): value is BufferSource {
  return (
    ArrayBuffer.isView(value) || Object.prototype.toString.call(value) === "[object ArrayBuffer]"
  );
}

/** The bytes of a file in Node, whose `fetch` takes no file. */
async function readFile(url: URL): Promise<BufferSource> {
  return new Uint8Array(await globalThis.process.getBuiltinModule("fs").promises.readFile(url));
}

async function compileResponse(response: Response, name: Build): Promise<WebAssembly.Module> {
  if (!response.ok) {
    throw new Error(
      `"options.${name}" expected a file at ${response.url}, got status ${response.status}`,
    );
  }
  const type = response.headers.get("content-type")?.trim().toLowerCase();
  return type === "application/wasm" && WebAssembly.compileStreaming !== undefined
    ? WebAssembly.compileStreaming(response)
    : WebAssembly.compile(await response.arrayBuffer());
}

async function compile(source: BuildSource, name: Build): Promise<WebAssembly.Module> {
  const given = await source;
  if (isModule(given)) return given;
  if (isBytes(given)) return WebAssembly.compile(given);
  const tag = Object.prototype.toString.call(given);
  if (tag === "[object Response]") return compileResponse(given as Response, name);
  if (tag !== "[object URL]" && typeof given !== "string") {
    throw typeFault(`options.${name}`, "a module, bytes, an address or a Response", given);
  }
  const { document, location, process } = globalThis;
  const url = new URL(given as string, document?.baseURI ?? location?.href ?? "file:///");
  return url.protocol === "file:" && typeof process?.getBuiltinModule === "function"
    ? WebAssembly.compile(await readFile(url))
    : compileResponse(await fetch(url), name);
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
  if (!isModule(source) && !isBytes(source)) {
    throw typeFault(`options.${name}`, "a module or bytes, since nothing is waited for", source);
  }
  const module = isModule(source) ? source : new WebAssembly.Module(source);
  return checkModule(module, name, threaded);
}
