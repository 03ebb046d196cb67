/**
 * Chooses a build, tests it, and makes an instance of it.
 *
 * @category Instances
 */
import type { Kernels } from "../core/abi.ts";
import { checkInteger, checkOneOf, checkOptions } from "../core/check.ts";
import { Bytelane, type ReadyModules, type WorkersOptions } from "../core/instance.ts";
import type { Build, Report, Tier } from "../core/tiers.ts";
import { chooseDots, classOf, selfTest, usedFor } from "./relaxed-dot.ts";

/** Which build an instance runs, the memory it may have, and its threads. */
export interface BytelaneOptions {
  /**
   * The tier to run, or "auto": "relaxed" if the engine has relaxed SIMD and passes the self-test,
   * otherwise "simd". Default "auto".
   */
  readonly tier?: Tier | "auto";
  /**
   * "auto" multiplies 8-bit weights by the engine's relaxed dot product where it was found to be
   * exact on them (Arm, x64 with VNNI). "portable" uses it only where all engines agree, whatever
   * they are free to choose: for weights of 7 bits. The results are the same. Default "auto".
   */
  readonly relaxedDot?: "auto" | "portable";
  /**
   * Bytes to start with, beside the kernels' own: at most 64 KiB less than the maximum. Default 1
   * MiB.
   */
  readonly initialMemory?: number;
  /**
   * Bytes that the linear memory may reach, 128 KiB or more. Default 4 GiB, all that wasm32 has.
   */
  readonly maximumMemory?: number;
  /**
   * Workers for the operations of "bytelane/workers", at most 64. The first such operation starts
   * them. Default 0: one thread.
   */
  readonly workers?: number | WorkersOptions;
}

/**
 * @internal Where each build comes from. The entry knows what a source is and how to compile it.
 */
export type Sources<S> = { readonly [B in Build]?: S | undefined };

/** @internal The options, checked. */
export interface Settings {
  readonly tiers: readonly Tier[];
  readonly initial: number;
  readonly maximum: number;
  readonly forced: boolean;
  readonly isPortable: boolean;
  readonly workers: number | WorkersOptions;
}

/** @internal A memory for a module that imports one, and the bytes that it may reach. */
export type MakeMemory = (settings: Settings) => { memory: WebAssembly.Memory; limit: number };

/** @internal What an entry provides besides the builds. */
export interface Host {
  /** Makes the memory of a threaded build. */
  readonly makeMemory?: MakeMemory;
  /** Further modules that the entry has imported. */
  readonly ready?: ReadyModules;
}

/** @internal */
export const PAGE = 65536;
const LIMIT = 2 ** 32;

const OPTIONS = [
  ...["tier", "relaxedDot", "initialMemory", "maximumMemory", "workers"],
  ...["simd", "relaxed", "folder", "shared"],
] as const;

function settingsOf(options: BytelaneOptions): Settings {
  checkOptions("options", options, OPTIONS);
  const { tier = "auto", relaxedDot = "auto", maximumMemory = LIMIT, workers = 0 } = options;
  checkOneOf("options.tier", tier, ["auto", "simd", "relaxed"]);
  checkOneOf("options.relaxedDot", relaxedDot, ["auto", "portable"]);
  const maximum = checkInteger("options.maximumMemory", maximumMemory, 2 * PAGE, LIMIT);
  const { initialMemory = Math.min(2 ** 20, maximum - PAGE) } = options;
  const initial = checkInteger("options.initialMemory", initialMemory, 0, maximum - PAGE);
  if (typeof workers !== "object") checkInteger("options.workers", workers, 0, 64);
  else {
    checkOptions("options.workers", workers, ["size", "worker", "minimumWork"]);
    checkInteger("options.workers.size", workers.size, 0, 64);
  }
  const forced = tier !== "auto";
  return {
    ...{ tiers: forced ? [tier] : ["relaxed", "simd"], initial, maximum, forced, workers },
    isPortable: relaxedDot === "portable",
  };
}

/** @internal True for a module of any realm: `instanceof` knows only those of its own. */
export function isModule(value: unknown): value is WebAssembly.Module {
  return Object.prototype.toString.call(value) === "[object WebAssembly.Module]";
}

/**
 * A module whose one function multiplies by i16x8.relaxed_dot_i8x16_i7x16_s: valid where relaxed
 * SIMD is.
 */
const PROBE = [
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0],
  ...[65, 0, 253, 15, 65, 0, 253, 15, 253, 146, 2, 11],
];

/**
 * The search for a build, as a generator. It yields the build to compile, receives a module or the
 * reason why there is none, and returns an instance. Only the compiling differs between the
 * synchronous and the asynchronous way to run it.
 */
function* chooseBuild(
  sources: Sources<unknown>,
  options: BytelaneOptions,
  host: Host,
): Generator<Build, Bytelane, WebAssembly.Module | string> {
  const settings = settingsOf(options);
  if (typeof WebAssembly !== "object") {
    throw new Error('"createBytelane" expected an engine with WebAssembly, got one without');
  }
  const probed: { tier: Tier; result: string }[] = [];
  for (const tier of settings.tiers) {
    const source = sources[tier];
    let made: WebAssembly.Module | string = "not given";
    if (source !== undefined) {
      // tested before anything is fetched or decoded; a ready module was compiled by the host
      const runs =
        tier === "simd" || isModule(source) || WebAssembly.validate(Uint8Array.from(PROBE));
      made = runs ? yield tier : "the engine has no relaxed SIMD";
    }
    const instance =
      typeof made === "string" ? made : instantiate(made, tier, settings, probed, host);
    if (typeof instance !== "string") return instance;
    probed.push({ tier, result: instance });
  }
  throw refusal(settings, probed);
}

/** The smallest valid module. */
const EMPTY = [0, 97, 115, 109, 1, 0, 0, 0];

/**
 * True if no module at all may be compiled: a page's policy forbids it, or the host compiles no
 * bytes.
 */
function forbidsCompiling(): boolean {
  try {
    new WebAssembly.Module(Uint8Array.from(EMPTY));
    return false;
  } catch {
    return true;
  }
}

/** The error for the case that no build runs. */
function refusal({ forced }: Settings, probed: Report["probed"]): Error {
  const list = probed.map(({ tier, result }) => `${tier}: ${result}`).join("; ");
  const wasCompiled = probed.some(({ result }) => result.startsWith(REFUSED));
  if (wasCompiled && forbidsCompiling()) {
    const words =
      '"createBytelane" expected to be allowed to compile WebAssembly, got a refusal. A page\'s';
    const policy = "Content-Security-Policy needs 'wasm-unsafe-eval' in script-src.";
    const hosts =
      'Hosts that compile nothing take ready modules ("bytelane/module", "bytelane/load")';
    return new Error(`${words} ${policy} ${hosts}`, { cause: list });
  }
  const argument = forced ? "options.tier" : "createBytelane";
  return new Error(`"${argument}" expected a build that this engine runs, got ${list}`);
}

/** An instance of a module, or why this tier does not run on it. */
function instantiate(
  module: WebAssembly.Module,
  tier: Tier,
  settings: Settings,
  probed: Report["probed"],
  { makeMemory, ready = {} }: Host,
): Bytelane | string {
  const { memory, limit } = makeMemory?.(settings) ?? { limit: settings.maximum };
  const { exports } = new WebAssembly.Instance(module, memory ? { env: { memory } } : {});
  // a plain object: the exports object itself is slow to read from
  const kernels = { ...exports } as unknown as Kernels;
  try {
    kernels.memory.grow(Math.ceil(settings.initial / PAGE));
  } catch (cause) {
    throw new RangeError(
      `"options.initialMemory" expected at most what the engine can give, got ${settings.initial}`,
      { cause },
    );
  }
  const reason = settings.forced
    ? "asked for by options.tier"
    : tier === "relaxed"
      ? "the engine has relaxed SIMD, and the self-test passed"
      : `relaxed: ${probed[0].result}`;
  const origin = { module, shared: memory !== undefined, workers: settings.workers, ready };
  const found = tier === "simd" ? undefined : classOf(kernels);
  let fault = "";
  for (const dots of chooseDots(found, settings.isPortable)) {
    let result = found ? `chosen; its relaxed dot product is ${found}` : "chosen";
    if (fault !== "") result += `, but not exact on 8 bits: ${fault}`;
    const report = {
      ...{ tier, reason, probed: [...probed, { tier, result }] },
      ...(found && { relaxedDot: { found, used: usedFor(dots) } }),
    };
    const instance = new Bytelane(kernels, limit, report, dots, origin);
    const wrong = selfTest(instance);
    if (wrong === undefined) return instance;
    fault = wrong;
  }
  return `self-test failed: ${fault}`;
}

const REFUSED = "the engine does not accept the module: ";

/**
 * The message of an engine that refuses a module, or of a policy that refuses all. Other errors are
 * thrown again.
 */
function refusalOf(fault: unknown): string {
  const { name, message } = fault as Error;
  if (name !== "CompileError") throw fault;
  return REFUSED + message;
}

/** @internal Makes an instance; `compile` may wait. */
export async function openBytelane<S>(
  sources: Sources<S>,
  options: BytelaneOptions,
  compile: (source: S, build: Build) => Promise<WebAssembly.Module>,
  host: Host = {},
): Promise<Bytelane> {
  const steps = chooseBuild(sources, options, host);
  let step = steps.next();
  while (!step.done) {
    step = steps.next(await compile(sources[step.value] as S, step.value).catch(refusalOf));
  }
  return step.value;
}

/** @internal Makes an instance synchronously. */
export function openBytelaneSync<S>(
  sources: Sources<S>,
  options: BytelaneOptions,
  compile: (source: S, build: Build) => WebAssembly.Module,
  host: Host = {},
): Bytelane {
  const steps = chooseBuild(sources, options, host);
  let step = steps.next();
  while (!step.done) {
    let module: WebAssembly.Module | string;
    try {
      module = compile(sources[step.value] as S, step.value);
    } catch (fault) {
      module = refusalOf(fault);
    }
    step = steps.next(module);
  }
  return step.value;
}
