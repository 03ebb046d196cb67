/** Chooses the build, tests it, instantiates it. The only file that says WebAssembly. */
import type { Kernels } from "./abi.ts";
import { checkInteger, checkObject, checkOneOf } from "./check.ts";
import { Bytelane, type Report, type Tier } from "./lane.ts";
import { chooseDots, classOf, selfTest } from "./probe.ts";

export interface BytelaneOptions {
  /**
   * A tier to insist on, or "auto": "relaxed" where the engine has relaxed SIMD and computes rightly, else "simd".
   * "direct" is for engines whose relaxed dot product is exact on all of 8 bits (Arm, x64 with VNNI); it is never
   * chosen by itself. Default "auto".
   */
  readonly tier?: Tier | "auto";
  /** Bytes to start with, beside the kernels' own. Default 1 MiB. */
  readonly initialMemory?: number;
  /** Bytes that the linear memory may reach. Default 4 GiB, all that wasm32 has. */
  readonly maximumMemory?: number;
}

/** Where the bytes of each build come from. */
export type Sources = Readonly<Record<"simd" | "relaxed", () => Uint8Array<ArrayBuffer>>>;

const PAGE = 65536;
const LIMIT = 2 ** 32;

interface Settings {
  readonly tiers: readonly Tier[];
  readonly initial: number;
  readonly maximum: number;
  readonly forced: boolean;
}

function checkOptions(options: BytelaneOptions): Settings {
  checkObject("options", options);
  const { tier = "auto", maximumMemory = LIMIT } = options;
  checkOneOf("options.tier", tier, ["auto", "simd", "relaxed", "direct"]);
  const maximum = checkInteger("options.maximumMemory", maximumMemory, 2 * PAGE, LIMIT);
  const { initialMemory = Math.min(2 ** 20, maximum - PAGE) } = options;
  const initial = checkInteger("options.initialMemory", initialMemory, 0, maximum - PAGE);
  const forced = tier !== "auto";
  return { tiers: forced ? [tier] : ["relaxed", "simd"], initial, maximum, forced };
}

/**
 * The search for a build: hands out bytes to compile, takes the module, and ends with an instance. Compiling is all
 * that differs between the two ways to run it.
 */
function* search(
  sources: Sources,
  options: BytelaneOptions,
): Generator<Uint8Array<ArrayBuffer>, Bytelane, WebAssembly.Module> {
  const settings = checkOptions(options);
  const probed: { tier: Tier; result: string }[] = [];
  for (const tier of settings.tiers) {
    const bytes = sources[tier === "simd" ? "simd" : "relaxed"]();
    if (!WebAssembly.validate(bytes)) {
      probed.push({ tier, result: "the engine does not accept the module" });
      continue;
    }
    const lane = instantiate(yield bytes, tier, settings, probed);
    if (typeof lane !== "string") {
      const fault = selfTest(lane);
      if (fault === undefined) return lane;
      probed.push({ tier, result: `self-test failed: ${fault}` });
    } else probed.push({ tier, result: lane });
  }
  const list = probed.map(({ tier, result }) => `${tier}: ${result}`).join("; ");
  throw new Error(`"options.tier" expected a build that this engine runs, got ${list}`);
}

function instantiate(
  module: WebAssembly.Module,
  tier: Tier,
  settings: Settings,
  probed: Report["probed"],
): Bytelane | string {
  const { exports } = new WebAssembly.Instance(module, {});
  // a plain object: the exports object itself is slow to read from
  const kernels = { ...exports } as unknown as Kernels;
  const dotClass = tier === "simd" ? undefined : classOf(kernels);
  const dots = chooseDots(tier, dotClass ?? "unknown");
  if (typeof dots === "string") return dots;
  try {
    kernels.memory.grow(Math.ceil(settings.initial / PAGE));
  } catch {
    throw new RangeError(
      `"options.initialMemory" expected at most what the engine can give, got ${settings.initial}`,
    );
  }
  const reason = settings.forced
    ? "asked for by options.tier"
    : tier === "relaxed"
      ? "the engine has relaxed SIMD, and the self-test passed"
      : "relaxed SIMD is missing or failed its self-test";
  const result = dotClass ? `chosen; its relaxed dot product is ${dotClass}` : "chosen";
  const report = { tier, reason, probed: [...probed, { tier, result }] };
  return new Bytelane(kernels, settings.maximum, report, dots);
}

/** Makes an instance, compiling off the main thread where the engine can. */
export async function openBytelane(sources: Sources, options: BytelaneOptions): Promise<Bytelane> {
  const steps = search(sources, options);
  let step = steps.next();
  while (!step.done) step = steps.next(await WebAssembly.compile(step.value));
  return step.value;
}

/** Makes an instance at once. A browser's main thread may refuse to compile a large module so. */
export function openBytelaneSync(sources: Sources, options: BytelaneOptions): Bytelane {
  const steps = search(sources, options);
  let step = steps.next();
  while (!step.done) step = steps.next(new WebAssembly.Module(step.value));
  return step.value;
}
