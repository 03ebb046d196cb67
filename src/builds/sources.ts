/**
 * Builds that come from elsewhere: what a source may be, and how it becomes a module.
 *
 * @category Instances
 */
import { checkObject, messageOf, typeFault } from "../core/check.ts";
import type { Address, FetchResponse, WasmModule } from "../core/platform.ts";
import type { Build } from "../core/tiers.ts";
import { type BytelaneOptions, isModule } from "./choose.ts";

/** A build that is ready: a module, or the bytes of one. */
export type ReadySource = WasmModule | ArrayBufferView | ArrayBuffer;

/**
 * A build, or where it is. A text is an address as `fetch` takes it. Where there is no page, a text
 * without a scheme is the path of a file, relative to the working directory.
 */
export type BuildSource =
  | ReadySource
  | Address
  | string
  | FetchResponse
  | PromiseLike<ReadySource | Address | string | FetchResponse>;

/** Where the builds come from. One of `simd`, `relaxed` and `folder` is needed. */
export interface LoadOptions extends BytelaneOptions {
  /** The build that every engine runs: bytelane.simd.wasm. */
  readonly simd?: BuildSource;
  /** The build for engines with relaxed SIMD: bytelane.relaxed.wasm. */
  readonly relaxed?: BuildSource;
  /**
   * The folder that holds the files of "bytelane/wasm/" under their names. It is used for `simd`
   * and `relaxed` unless they are given. An address, or the path of a folder, as a text or as a
   * URL.
   */
  readonly folder?: Address | string;
  /**
   * True for an instance whose memory its workers share. It takes the threaded builds: `folder`
   * finds them by name, and `simd` and `relaxed` are then bytelane.simd.threads.wasm and
   * bytelane.relaxed.threads.wasm. A page has to be cross-origin isolated. Default false.
   */
  readonly shared?: boolean;
}

/** `LoadOptions` for synchronous use. */
export interface ReadyOptions extends BytelaneOptions {
  /** As in `LoadOptions`. */
  readonly simd?: ReadySource;
  /** As in `LoadOptions`. */
  readonly relaxed?: ReadySource;
  /** As in `LoadOptions`. */
  readonly shared?: boolean;
}

/** Where the kernels of an entry come from, by build. */
export interface KernelSources {
  /** The file of the simd build, such as bytelane.nn.simd.wasm. */
  readonly simd?: BuildSource;
  /** The file of the relaxed build, such as bytelane.nn.relaxed.wasm. */
  readonly relaxed?: BuildSource;
}

/** The published file of a build. */
const fileOf = (build: Build, shared: boolean) =>
  `bytelane.${build}.${shared ? "threads." : ""}wasm`;

/** @internal The sources of the builds, from options. */
export interface CheckedSources<S> {
  readonly simd: S | undefined;
  readonly relaxed: S | undefined;
  readonly shared: boolean;
}

/** @internal */
export function checkSources(options: LoadOptions): CheckedSources<BuildSource> {
  checkObject("options", options);
  const { simd, relaxed, folder, shared = false } = options;
  if (typeof shared !== "boolean") throw typeFault("options.shared", "true or false", shared);
  if (simd === undefined && relaxed === undefined && folder === undefined) {
    throw typeFault("options", "a build as simd, as relaxed, or in a folder", options);
  }
  if (folder === undefined) return { simd, relaxed, shared };
  if (!isAddress(folder)) throw typeFault("options.folder", "an address", folder);
  const inFolder = (build: Build) => {
    const url = resolve(folder);
    if (!url.pathname.endsWith("/")) url.pathname += "/";
    return new URL(fileOf(build, shared), url);
  };
  return { simd: simd ?? inFolder("simd"), relaxed: relaxed ?? inFolder("relaxed"), shared };
}

/** @internal */
export function checkReadySources(options: ReadyOptions): CheckedSources<ReadySource> {
  checkObject("options", options);
  const { simd, relaxed, shared = false } = options;
  if (typeof shared !== "boolean") throw typeFault("options.shared", "true or false", shared);
  if (simd === undefined && relaxed === undefined) {
    throw typeFault("options", "a build, as simd or as relaxed", options);
  }
  return { simd, relaxed, shared };
}

const tagOf = (value: unknown) => Object.prototype.toString.call(value).slice(8, -1);

function isAddress(value: unknown): value is URL | string {
  return tagOf(value) === "URL" || typeof value === "string";
}

/** The URL of an address: in a page relative to it, elsewhere relative to the working directory. */
function resolve(address: URL | string): URL {
  const { document, location, process } = globalThis;
  const base = document?.baseURI ?? location?.href;
  // a scheme has two letters at least: C:\ begins a path
  if (base === undefined && typeof address === "string" && !/^[a-z][\w+.-]+:/i.test(address)) {
    const modules = process?.getBuiltinModule?.("url");
    if (modules) return new URL(modules.pathToFileURL(address));
  }
  return new URL(address, base ?? "file:///");
}

/** Checks that a module is the one that an option asks for. */
function checkModule(module: WebAssembly.Module, build: Build, shared: boolean) {
  const has = WebAssembly.Module.exports(module).some(({ name }) => name === "heap_base");
  const imports = String(WebAssembly.Module.imports(module).map(({ kind }) => kind));
  if (has && imports === (shared ? "memory" : "")) return module;
  const got = !has ? "another module" : shared ? "one without threads" : "a threaded one";
  throw new TypeError(
    `"options.${build}" expected the module of ${fileOf(build, shared)}, got ${got}`,
  );
}

/** The bytes of a buffer source, or undefined. V8 compiles no DataView. */
function bytesOf(value: unknown, build: Build): Uint8Array<ArrayBuffer> | undefined {
  const isView = ArrayBuffer.isView(value);
  if (!isView && tagOf(value) !== "ArrayBuffer") return undefined;
  try {
    return isView
      ? new Uint8Array(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength)
      : new Uint8Array(value as ArrayBuffer);
  } catch {
    throw typeFault(`options.${build}`, "bytes that have their buffer: these are detached", value);
  }
}

/** The first four bytes of every module: "\0asm". */
const MAGIC = [0x00, 0x61, 0x73, 0x6d];

/**
 * Checks that bytes begin like a module. An HTML page that a server sends for a missing file does
 * not.
 */
function checkMagic(bytes: Uint8Array, build: Build, place: string, type?: string) {
  if (MAGIC.every((byte, i) => bytes[i] === byte)) return;
  const start = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, "0"));
  const got = type || (start.length > 0 ? `bytes that begin with ${start.join(" ")}` : "no bytes");
  throw missing(build, place, got);
}

function missing(build: Build, place: string, got: string, cause?: unknown): Error {
  const words = messageOf(`options.${build}`, `a WebAssembly module${place}`, got);
  return new Error(words, cause === undefined ? {} : { cause });
}

const placeOf = (url: URL | string) => (url ? ` at ${url}` : "");

async function compileResponse(response: Response, build: Build): Promise<WebAssembly.Module> {
  const place = placeOf(response.url);
  if (!response.ok) throw missing(build, place, `status ${response.status}`);
  const type = response.headers.get("content-type")?.trim().toLowerCase();
  if (type === "application/wasm" && WebAssembly.compileStreaming !== undefined) {
    return WebAssembly.compileStreaming(response).catch((fault) => {
      fault.message += place;
      throw fault;
    });
  }
  const bytes = new Uint8Array(await response.arrayBuffer());
  checkMagic(bytes, build, place, type?.replace(/;.*/, ""));
  return WebAssembly.compile(bytes);
}

/** The bytes of a file, which Node's `fetch` does not read, or undefined where `url` is none. */
async function readFile(url: URL): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const { process } = globalThis;
  if (url.protocol !== "file:" || typeof process?.getBuiltinModule !== "function") return undefined;
  return new Uint8Array(await process.getBuiltinModule("fs").promises.readFile(url));
}

/** Compiles the module at an address. */
async function compileAt(address: URL | string, build: Build): Promise<WebAssembly.Module> {
  const url = resolve(address);
  const place = placeOf(url);
  let bytes: Uint8Array<ArrayBuffer> | undefined;
  let response: Response | undefined;
  try {
    bytes = await readFile(url);
    response = bytes ? undefined : await fetch(url);
  } catch (cause) {
    throw missing(build, place, (cause as Error).message, cause);
  }
  if (response) return compileResponse(response, build);
  checkMagic(bytes!, build, place);
  return WebAssembly.compile(bytes!);
}

/** Compiles the module of a source of any kind. */
/** @internal */
export async function compile(source: BuildSource, build: Build): Promise<WebAssembly.Module> {
  const given: unknown = await source;
  if (isModule(given)) return given;
  const bytes = bytesOf(given, build);
  if (bytes) {
    checkMagic(bytes, build, "");
    return WebAssembly.compile(bytes);
  }
  if (isAddress(given)) return compileAt(given, build);
  if (tagOf(given) === "Response") return compileResponse(given as unknown as Response, build);
  throw typeFault(`options.${build}`, "a module, bytes, an address or a Response", given);
}

/** @internal The module of a source. */
export async function moduleOf(
  source: BuildSource,
  build: Build,
  shared: boolean,
): Promise<WebAssembly.Module> {
  return checkModule(await compile(source, build), build, shared);
}

/** @internal The module of a source that is ready. */
export function readyModuleOf(
  source: ReadySource,
  build: Build,
  shared: boolean,
): WebAssembly.Module {
  if (isModule(source)) return checkModule(source, build, shared);
  const bytes = bytesOf(source, build);
  if (!bytes) {
    const expected = "a module or bytes, since nothing is waited for";
    throw typeFault(`options.${build}`, expected, source);
  }
  checkMagic(bytes, build, "");
  return checkModule(new WebAssembly.Module(bytes), build, shared);
}
