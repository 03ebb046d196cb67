// The conformance suite, the same file in every runtime. It imports nothing of a platform: a host
// gives it the library, the tiers that this runtime must have, and the ways to create an instance.

import { groups } from "./cases/index.mjs";
import { createRandom } from "./cases/inputs.mjs";
import { createDigest } from "./digest.mjs";
import { checkExtremes } from "./extremes.mjs";

const allTiers = ["simd", "relaxed"];

/** A module of one function, whose one instruction is i16x8.relaxed_dot_i8x16_i7x16_s. */
const RELAXED = [
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0],
  ...[65, 0, 253, 15, 65, 0, 253, 15, 253, 146, 2, 11],
];

/**
 * The tiers that this engine has to run: those whose instructions it knows, whatever its version.
 */
export function tiersHere() {
  return WebAssembly.validate(Uint8Array.from(RELAXED)) ? allTiers : ["simd"];
}

/** Runs every group on one instance; the overall digest covers the groups' digests in order. */
async function conform(bytelane, instance) {
  const overall = createDigest();
  const digests = {};
  const cases = {};
  for (const [name, group] of Object.entries(groups)) {
    const digest = createDigest();
    for await (const [label, ...outputs] of group(bytelane, instance, createRandom(0x9e3779b9))) {
      const one = createDigest();
      for (const output of outputs) {
        one.text(String(output.length));
        one.array(output);
      }
      if (cases[`${name}/${label}`] !== undefined) {
        throw new RangeError(`"${name}" expected one case called "${label}", got two`);
      }
      cases[`${name}/${label}`] = one.hex();
      digest.text(`${label} ${one.hex()}`);
    }
    digests[name] = digest.hex();
    overall.text(`${name} ${digest.hex()}`);
  }
  const { passed, rows } = bytelane.conformance(instance);
  if (!passed) {
    const wrong = rows.filter(({ differing, refusal }) => differing > 0 && refusal === undefined);
    throw new Error(`expected the results of other systems, got others: ${JSON.stringify(wrong)}`);
  }
  return { digest: overall.hex(), groups: digests, cases };
}

const reason = (error) => String(error?.stack ?? error);

/**
 * One row per tier and start: { tier, start, createMs, digest, groups, cases } or { …, failure }.
 * `refused` says, for each tier that this runtime lacks, how a request for it was turned down.
 */
export async function run(bytelane, options) {
  const { starts, now = async () => performance.now() } = options;
  const tiers = tiersHere();
  const rows = [];
  for (const tier of tiers) {
    for (const [start, create] of Object.entries(starts)) {
      const row = { tier, start };
      rows.push(row);
      try {
        const before = await now();
        const instance = await create(tier);
        row.createMs = (await now()) - before;
        row.ran = instance.report().tier;
        // before anything else, while the code is cold
        const wrong = checkExtremes(bytelane, instance);
        if (wrong.length > 0) throw new Error(`extremes: ${wrong.join("; ")}`);
        Object.assign(row, await conform(bytelane, instance));
        if (row.ran !== tier) row.failure = `expected the ${tier} build, got ${row.ran}`;
      } catch (error) {
        row.failure = reason(error);
      }
    }
  }

  const failures = [];
  const refused = {};
  for (const tier of allTiers.filter((tier) => !tiers.includes(tier))) {
    try {
      await bytelane.createBytelane({ tier });
      failures.push(`expected no ${tier} build here, got one`);
    } catch (error) {
      refused[tier] = String(error?.message ?? error);
    }
  }
  let chosen = "";
  try {
    chosen = (await bytelane.createBytelane()).report().tier;
    const best = tiers[tiers.length - 1];
    if (chosen !== best) failures.push(`expected the ${best} build by itself, got ${chosen}`);
  } catch (error) {
    failures.push(reason(error));
  }
  return { tiers, rows, refused, chosen, failures };
}
