/** Chooses the build, tests it, instantiates it. The only file that says WebAssembly. */
import type { Kernels } from "./abi.ts";
import { checkInteger, checkObject, checkOneOf } from "./check.ts";
import { Bytelane, type Report, type Tier } from "./lane.ts";

export interface BytelaneOptions {
  /** A build to insist on, or "auto": relaxed where the engine has it and computes rightly. Default "auto". */
  readonly tier?: Tier | "auto";
  /** Bytes to start with, beside the kernels' own. Default 1 MiB. */
  readonly initialMemory?: number;
  /** Bytes that the linear memory may reach. Default 4 GiB, all that wasm32 has. */
  readonly maximumMemory?: number;
}

/** Where the bytes of each build come from. */
export type Sources = Readonly<Record<Tier, () => Uint8Array<ArrayBuffer>>>;

const PAGE = 65536;
const LIMIT = 2 ** 32;

/**
 * What the relaxed build must compute before it is trusted: a product of 7-bit weights whose every sum is
 * known, once on cold code and often enough for an optimizing compiler to have taken over a part of it.
 */
function selfTest(lane: Bytelane): string | undefined {
  const { kernels, arena } = lane;
  const [m, n, depth] = [4, 8, 16];
  const lhs = arena.allocate(m * depth);
  const rhs = arena.allocate(depth * n);
  const panels = arena.allocate(kernels.packed_bytes(depth, n, 1));
  const columns = arena.allocate(3 * n * 4);
  const workspace = kernels.gemm_workspace(m, depth, 1);
  const room = arena.allocate(workspace);
  const out = arena.allocate(m * n * 4);
  try {
    // the extremes of both operands in every pairing: lhs in {−128, 127}, weights in {−64, 63}
    const a = arena.view("i8", lhs, m * depth);
    const b = arena.view("i8", rhs, depth * n);
    for (let i = 0; i < a.length; i++) a[i] = (i * 7) % 5 < 2 ? 127 : -128 + ((i * 3) % 4);
    for (let i = 0; i < b.length; i++) b[i] = (i * 5) % 7 < 3 ? 63 : -64 + ((i * 11) % 3);
    const zeros = columns + n * 4;
    arena.view("i32", zeros, n).fill(64);
    arena.view("i32", lane.scalars, 1)[0] = 0;
    kernels.pack_rhs(rhs, n, 1, depth, n, 0, 1, panels, columns);
    for (let round = 0; round < 64; round++) {
      kernels.gemm_i32(
        ...([lhs, depth, 0, lane.scalars, 0, panels, zeros, columns, 1, m, n, depth] as const),
        ...([lane.scalars, 0, columns, 0, 0, 0, 0, out, n * 4, room] as const),
      );
    }
    const c = arena.view("i32", out, m * n);
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let k = 0; k < depth; k++) sum += a[i * depth + k] * b[k * n + j];
        if (c[i * n + j] !== sum) return `a dot product gave ${c[i * n + j]} instead of ${sum}`;
      }
    }
    return undefined;
  } finally {
    arena.free(lhs, m * depth);
    arena.free(rhs, depth * n);
    arena.free(panels, kernels.packed_bytes(depth, n, 1));
    arena.free(columns, 3 * n * 4);
    arena.free(room, workspace);
    arena.free(out, m * n * 4);
  }
}

interface Settings {
  readonly tiers: readonly Tier[];
  readonly initial: number;
  readonly maximum: number;
  readonly forced: boolean;
}

function checkOptions(options: BytelaneOptions): Settings {
  checkObject("options", options);
  const { tier = "auto", maximumMemory = LIMIT } = options;
  checkOneOf("options.tier", tier, ["auto", "simd", "relaxed"]);
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
    const bytes = sources[tier]();
    if (!WebAssembly.validate(bytes)) {
      probed.push({ tier, result: "the engine does not accept the module" });
      continue;
    }
    const lane = instantiate(yield bytes, tier, settings, probed);
    const fault = tier === "relaxed" ? selfTest(lane) : undefined;
    if (fault === undefined) return lane;
    probed.push({ tier, result: `self-test failed: ${fault}` });
  }
  const list = probed.map(({ tier, result }) => `${tier}: ${result}`).join("; ");
  throw new Error(`"options.tier" expected a build that this engine runs, got ${list}`);
}

function instantiate(
  module: WebAssembly.Module,
  tier: Tier,
  settings: Settings,
  probed: Report["probed"],
): Bytelane {
  const { exports } = new WebAssembly.Instance(module, {});
  // a plain object: the exports object itself is slow to read from
  const kernels = { ...exports } as unknown as Kernels;
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
  const report = { tier, reason, probed: [...probed, { tier, result: "chosen" }] };
  return new Bytelane(kernels, settings.maximum, report);
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
