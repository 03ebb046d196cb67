import { writeJson } from "../tools/command.mjs";
import { createProgress } from "../tools/progress.mjs";
import { textTable } from "../tools/table.mjs";
import { ggufRatios, headline } from "./figures.mjs";
import { machine, runtime } from "./machine.mjs";

/**
 * The machine's clock has states. The fast one counts: that of the guard at this rank of all its
 * runs beside one case. A sample in another state is dropped, faster ones too: if only a few
 * contenders meet a rare boost, ratios would be wrong.
 */
const FAST_STATE = 0.8;
const SAME_STATE = 0.1;
/** Dropped too: a sample during which this process held a core for less of the time than this. */
const UNDISTURBED = 0.95;
/** A contender is warm when this many samples in a row brought nothing new. */
const SETTLED = 4;
/** A timer whose single call takes longer than this many ms is sampled three times only. */
const SLOW_CALL = 100;

export const EFFORT = {
  full: { samples: 9, sampleMs: 4, warmMs: 100, mostMs: 3500 },
  quick: { samples: 3, sampleMs: 2, warmMs: 40, mostMs: 2000 },
};

/** Milliseconds a call of `run`. A promise from it is awaited, call by call. */
export async function timeCalls(run, isAsync, iterations) {
  const start = performance.now();
  if (isAsync) for (let i = 0; i < iterations; i++) await run();
  else for (let i = 0; i < iterations; i++) run();
  return (performance.now() - start) / iterations;
}

/** Samples of one way to do a case's work; `time(iterations)` gives `{ each, guard }`. */
class Timer {
  constructor(time) {
    this.time = time;
    this.iterations = 1;
    this.samples = [];
  }

  async sample() {
    const cpu = process.cpuUsage();
    const timed = await this.time(this.iterations);
    const { user, system } = process.cpuUsage(cpu);
    const share = (user + system) / 1000 / (timed.each * this.iterations);
    return { ...timed, isUndisturbed: share >= UNDISTURBED };
  }

  /** Runs past the engine's tier-up, and finds how many calls last `sampleMs`. */
  async warm({ sampleMs, warmMs, samples }) {
    const start = performance.now();
    let shortest = Number.POSITIVE_INFINITY;
    let settled = 0;
    for (;;) {
      const { each } = await this.time(this.iterations);
      settled = each < shortest * 0.97 ? 0 : settled + 1;
      // the clock of a virtual machine may stand still: nothing takes no time
      if (each > 0) shortest = Math.min(shortest, each);
      this.iterations = Math.max(1, Math.ceil(sampleMs / shortest));
      // An optimised function is finished in the background and taken over between tasks.
      await new Promise(setImmediate);
      const spent = performance.now() - start;
      if (spent > 10 * warmMs || (spent > warmMs && settled >= SETTLED)) break;
      if (shortest > SLOW_CALL && settled > 0) break;
    }
    this.wanted = shortest > SLOW_CALL ? Math.min(3, samples) : samples;
  }

  get done() {
    return this.samples.filter(({ isFast }) => isFast).length >= this.wanted;
  }

  /** Milliseconds a call: the best and the median of the samples taken in the fast state. */
  summary() {
    const fast = this.samples.filter(({ isFast }) => isFast);
    const isSteady = fast.length >= Math.min(3, this.wanted);
    const kept = isSteady
      ? fast
      : [...this.samples].sort((a, b) => a.each - b.each).slice(0, this.wanted);
    const times = kept.map(({ each }) => each).sort((a, b) => a - b);
    return {
      best: times[0],
      median: times[times.length >> 1],
      samples: times.length,
      dropped: this.samples.length - times.length,
      iterations: this.iterations,
      isSteady,
    };
  }
}

const isFloat = (array) => array instanceof Float32Array || array instanceof Float64Array;

/** How many elements differ: floats by more than the tolerance, relative to the largest value. */
export function countDifferences(got, wanted, tolerance = 0) {
  if (got.length !== wanted.length) return Math.max(got.length, wanted.length);
  let largest = 1;
  if (isFloat(wanted)) for (const value of wanted) largest = Math.max(largest, Math.abs(value));
  const limit = tolerance * largest;
  let count = 0;
  for (let i = 0; i < wanted.length; i++) if (!(Math.abs(got[i] - wanted[i]) <= limit)) count++;
  return count;
}

/**
 * A node that seems to take less than this share of a call of some milliseconds is lost in the
 * noise of both.
 */
const LOST = 0.02;
const LONG = 2;

function row(item, contender, mode, times, rest) {
  // Millions of operations or bytes a millisecond are GOPS or GB/s.
  const rate = (ms) => (ms > 0 ? item.work / ms / 1e6 : null);
  return {
    op: item.op,
    shape: item.shape,
    contender: contender.name,
    ...(contender.resident && { resident: contender.resident }),
    build: contender.build ?? "",
    mode,
    unit: item.unit,
    best: rate(times.best),
    median: rate(times.median),
    microseconds: times.best * 1000,
    ...rest,
  };
}

/** Marks the samples that count, and returns the best run of the guard in their state. */
function markFastState(timers) {
  const samples = timers.flatMap((timer) => timer.samples);
  const guards = samples.map(({ guard }) => guard).sort((a, b) => a - b);
  const fast = guards[Math.floor(FAST_STATE * (guards.length - 1))];
  const isSame = (guard) => Math.abs(guard - fast) <= SAME_STATE * fast;
  for (const sample of samples) sample.isFast = sample.isUndisturbed && isSame(sample.guard);
  return Math.max(...guards.filter(isSame));
}

/**
 * Times the contenders of one case, interleaved round by round, and returns a row for each.
 *
 *     item        { op, shape, unit, work, expected(), tolerance }
 *     contender   { name, build, run(), output(), many: { count, run() }, isBaseline, dispose() }
 *
 * `run` is a call as a user makes it; a contender that lives elsewhere has `time(iterations)`.
 * `many` is the same work `count` times in one call: what the further ones take is the kernel,
 * and what remains of the first is the fixed cost of a call.
 */
export async function measureCase(item, contenders, { effort, guard }) {
  const timed = [];
  for (const contender of contenders) {
    let { time } = contender;
    let isAsync = false;
    const timeOf = (run) => async (iterations) => ({
      each: await timeCalls(run, isAsync, iterations),
    });
    if (!time) {
      const first = contender.run();
      isAsync = typeof first?.then === "function";
      await first;
      time = timeOf(contender.run);
    }
    const differs = contender.output
      ? countDifferences(await contender.output(), await item.expected(), item.tolerance)
      : null;
    const once = new Timer(time);
    const many = contender.many ? new Timer(timeOf(contender.many.run)) : null;
    timed.push({ contender, once, many, differs });
  }
  const timers = timed.flatMap(({ once, many }) => (many ? [once, many] : [once]));
  for (const timer of timers) await timer.warm(effort);

  let roof = 0;
  const start = performance.now();
  const spent = () => performance.now() - start;
  for (let round = 0; timers.some((timer) => !timer.done) && spent() < effort.mostMs; round++) {
    let before = guard();
    for (let i = 0; i < timers.length; i++) {
      const timer = timers[(i + round) % timers.length];
      if (timer.done) continue;
      const sample = await timer.sample();
      const after = guard();
      timer.samples.push({ ...sample, guard: sample.guard ?? Math.min(before, after) });
      before = after;
    }
    roof = markFastState(timers);
  }

  const rows = [];
  for (const { contender, once, many, differs } of timed) {
    const one = once.summary();
    const counts = {
      samples: one.samples,
      dropped: one.dropped,
      isSteady: one.isSteady,
      differs,
      // The clock changes from case to case: a share of the roof is one of the roof beside it.
      roof,
    };
    if (many) {
      const { count } = contender.many;
      const all = many.summary();
      const kernel = (statistic) => {
        const time = (all[statistic] - one[statistic]) / (count - 1);
        return one[statistic] > LONG && time < one[statistic] * LOST ? 0 : time;
      };
      const times = { best: kernel("best"), median: kernel("median") };
      const callMicroseconds = Math.max(0, one.best - times.best) * 1000;
      rows.push(row(item, contender, "kernel", times, { ...counts, callMicroseconds }));
    }
    rows.push(row(item, contender, many ? "call" : (contender.mode ?? "kernel"), one, counts));
  }
  const isBaseline = ({ contender }) =>
    contenders.some(({ name, isBaseline }) => isBaseline && name === contender);
  const baselines = rows.filter(isBaseline);
  for (const each of rows) {
    // A call is compared with a call where the baseline has both.
    const alike = baselines.filter(({ mode }) => mode === each.mode);
    const references = alike.length > 0 ? alike : baselines;
    const ratio = (statistic) =>
      references.length > 0 && each[statistic]
        ? each[statistic] / Math.max(...references.map((reference) => reference[statistic]))
        : null;
    each.ratio = ratio("best");
    each.ratioMedian = ratio("median");
  }
  return rows;
}

const text = (value, digits = 1) =>
  value === null || value === undefined ? "–" : value.toFixed(value < 10 ? digits + 1 : digits);

function printRows(item, rows, baseline) {
  const isProduct = item.unit === "GOPS";
  const head = [
    `${item.op}  ${item.shape}`,
    "",
    item.unit,
    "median",
    "µs",
    isProduct ? "of roof" : "",
    baseline ? "ratio" : "",
    "",
  ];
  const lines = rows.map((each) => [
    [each.contender, each.build].filter(Boolean).join(" "),
    each.mode,
    text(each.best),
    text(each.median),
    text(each.microseconds),
    isProduct && each.best ? `${((100 * each.best) / each.roof).toFixed(0)} %` : "",
    each.ratio === null ? "" : `${text(each.ratio)}×`,
    [each.differs ? `${each.differs} values differ` : "", each.isSteady ? "" : "unsteady"]
      .filter(Boolean)
      .join(", "),
  ]);
  console.log(`${textTable([head, ...lines], { left: [0, 1] })}\n`);
}

/**
 * Runs all cases and returns a row a contender. `contend(item)` resolves to the contenders of a
 * case, `plain` has the values expected of them.
 */
export async function runCases(cases, { contend, plain, effort, roof }) {
  const rows = [];
  const progress = createProgress("cases", cases.length);
  for (const [i, item] of cases.entries()) {
    progress(i, `${item.op} ${item.shape}`);
    const contenders = await contend(item);
    const judged = { ...item, expected: () => plain.expected(item) };
    const measured = await measureCase(judged, contenders, { effort, guard: roof.guard });
    for (const contender of contenders) await contender.dispose?.();
    item.release?.();
    progress.clear();
    const hasBaseline = contenders.some(({ isBaseline }) => isBaseline);
    printRows(item, measured, hasBaseline);
    rows.push(...measured);
  }
  return rows;
}

/** A run before it has begun: what runs, and where. */
export function describeRun(command) {
  const date = new Date().toISOString().slice(0, 10);
  return { command, date, machine: machine(), runtime: runtime(), rows: [] };
}

/** The shape of every file that a bench writes. */
export const FORMAT = "bytelane-bench/1";

/** Writes runs, what they come to, and the best rate of every row by name. */
export function writeRuns(file, runs) {
  const figures = {};
  for (const run of runs) {
    const { runtime: where, rows } = run;
    const prefix = runs.length > 1 ? `${where.name} ${where.version} ` : "";
    for (const [name, value] of Object.entries({ ...headline(run), ...ggufRatios(run) })) {
      figures[prefix + name] = value;
    }
    for (const { op, shape, contender, build, mode, best } of rows) {
      const name = [op, shape, contender, build, mode].filter(Boolean).join(" ");
      if (best !== null) figures[prefix + name] = best;
    }
  }
  writeJson(file, { format: FORMAT, figures, runs });
}

/** The next message of a worker, or its error. */
export function answerOf(worker) {
  return new Promise((resolve, reject) => {
    const settle = (done) => (value) => {
      worker.off("message", onMessage).off("error", onError);
      done(value);
    };
    const onMessage = settle(resolve);
    const onError = settle(reject);
    worker.on("message", onMessage).on("error", onError);
  });
}
