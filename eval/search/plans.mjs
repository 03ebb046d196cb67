import { readFileSync, writeFileSync } from "node:fs";
import { shuffle } from "../../tools/random.mjs";

/*
 * Plans of 8 or 4 bits a tensor, as { name: bits }, the smallest of all cases of mixed precision:
 * few enough tensors that every plan can be listed.
 *
 * @typedef {Record<string, 8 | 4>} Bits
 * @typedef {{ name: string, bytes: { 8: number, 4: number } }} Size what a tensor takes
 * @typedef {{ bits: Bits, bytes: number, full: boolean }} Plan
 */

/** Every plan is a number with a binary digit a tensor; 2^20 of them are listed in a second. */
const MOST_TENSORS = 20;

export function uniformPlan(sizes, bits) {
  return Object.fromEntries(sizes.map(({ name }) => [name, bits]));
}

export function bytesOfPlan(sizes, bits) {
  return sizes.reduce((sum, { name, bytes }) => sum + bytes[bits[name]], 0);
}

/** The bytes of a number of bits per weight. */
export function bytesOfBudget(bitsPerWeight, parameters) {
  return Math.floor((bitsPerWeight * parameters) / 8);
}

export function isSamePlan(a, b) {
  return Object.keys(a).every((name) => a[name] === b[name]);
}

/** The tensors that have 8 bits, for people. */
export function describePlan(bits) {
  const eight = Object.keys(bits).filter((name) => bits[name] === 8);
  if (eight.length === 0) return "all 4 bits";
  if (eight.length === Object.keys(bits).length) return "all 8 bits";
  return eight.join(", ");
}

/**
 * Every plan within a budget. A full one has no room for 8 bits in one more tensor.
 *
 * @param {Size[]} sizes
 * @param {number} budget bytes
 * @returns {Plan[]}
 */
export function plansWithin(sizes, budget) {
  if (sizes.length > MOST_TENSORS) {
    throw new RangeError(`"sizes" expected at most ${MOST_TENSORS} tensors, got ${sizes.length}`);
  }
  const found = [];
  for (let digits = 0; digits < 2 ** sizes.length; digits++) {
    let bytes = 0;
    let leastRise = Number.POSITIVE_INFINITY;
    sizes.forEach((size, i) => {
      const isEight = (digits >> i) & 1;
      bytes += size.bytes[isEight ? 8 : 4];
      if (!isEight) leastRise = Math.min(leastRise, size.bytes[8] - size.bytes[4]);
    });
    if (bytes > budget) continue;
    const bits = Object.fromEntries(sizes.map(({ name }, i) => [name, (digits >> i) & 1 ? 8 : 4]));
    found.push({ bits, bytes, full: bytes + leastRise > budget });
  }
  return found;
}

/**
 * Different plans by lot: full ones first, for the others leave bytes unused, and all there are if
 * these are no more than asked for.
 *
 * @param {Plan[]} plans
 * @param {number} count
 * @param {() => number} random in [0, 1)
 * @returns {Plan[]}
 */
export function drawPlans(plans, count, random) {
  const mixed = (list) => {
    const order = Uint32Array.from(list.keys());
    shuffle(order, random);
    return Array.from(order, (i) => list[i]);
  };
  return [
    ...mixed(plans.filter(({ full }) => full)),
    ...mixed(plans.filter(({ full }) => !full)),
  ].slice(0, count);
}

export function writePlan(file, bits) {
  writeFileSync(file, `${JSON.stringify({ bits }, null, 2)}\n`);
}

/**
 * @param {string} file
 * @param {string[]} names of all tensors
 * @returns {Bits}
 */
export function readPlan(file, names) {
  const bits = JSON.parse(readFileSync(file, "utf8"))?.bits;
  for (const name of names) {
    const found = bits?.[name];
    if (found !== 4 && found !== 8) {
      throw new RangeError(`"--plan" expected 4 or 8 bits for ${name}, got ${found}`);
    }
  }
  for (const name of Object.keys(bits)) {
    if (names.includes(name)) continue;
    throw new RangeError(`"--plan" expected bits for ${names.join(", ")}, got ${name}`);
  }
  return bits;
}
