/**
 * What the tests take from vitest, for child.mjs: tests are gathered, not run, so that any of them
 * can be run, again and again. `expect` and spies are vitest's own.
 */
import {
  ASYMMETRIC_MATCHERS_OBJECT,
  JestAsymmetricMatchers,
  JestChaiExpect,
  JestExtend,
} from "@vitest/expect";
import * as spies from "@vitest/spy";
import * as chai from "chai";

for (const plugin of [JestExtend, JestChaiExpect, JestAsymmetricMatchers]) chai.use(plugin);

export const expect = Object.assign(
  (value, message) => chai.expect(value, message),
  chai.expect,
  globalThis[ASYMMETRIC_MATCHERS_OBJECT],
);

/** The suite whose body runs. */
let suite;

/** Starts a file: what its body gathers is in the result. */
export function gather() {
  suite = { above: undefined, hooks: hooks(), tests: [] };
  return suite;
}

const hooks = () => ({ beforeAll: [], afterAll: [], beforeEach: [], afterEach: [] });

export function describe(_, body) {
  const above = suite;
  suite = { above, hooks: hooks(), tests: above.tests };
  body();
  suite = above;
}

export function it(_, first, second) {
  const body = typeof first === "function" ? first : second;
  suite.tests.push({ suite, body });
}

/** As vitest does: the entries of an array are arguments. */
const each = (make) => (cases) => (name, body) => {
  for (const given of cases) make(name, () => body(...(Array.isArray(given) ? given : [given])));
};
describe.each = each(describe);
it.each = each(it);
it.concurrent = it;
it.skipIf = (skips) => (skips ? () => {} : it);
it.runIf = (runs) => (runs ? it : () => {});
describe.skipIf = (skips) => (skips ? () => {} : describe);
export const test = it;

const hook = (name) => (body) => suite.hooks[name].push(body);
export const beforeAll = hook("beforeAll");
export const afterAll = hook("afterAll");
export const beforeEach = hook("beforeEach");
export const afterEach = hook("afterEach");

const stubbed = new Map();
export const vi = {
  fn: spies.fn,
  spyOn: spies.spyOn,
  restoreAllMocks: spies.restoreAllMocks,
  stubGlobal(name, value) {
    if (!stubbed.has(name)) {
      stubbed.set(name, Object.getOwnPropertyDescriptor(globalThis, name));
    }
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  },
  unstubAllGlobals() {
    for (const [name, descriptor] of stubbed) {
      if (descriptor) Object.defineProperty(globalThis, name, descriptor);
      else delete globalThis[name];
    }
    stubbed.clear();
  },
  async waitFor(body) {
    for (let i = 0; ; i++) {
      try {
        return await body();
      } catch (fault) {
        if (i === 20) throw fault;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  },
};

/** Suites of a test, the outermost first. */
function suitesOf({ suite: inner }) {
  const all = [];
  for (let each = inner; each; each = each.above) all.unshift(each);
  return all;
}

/** Runs one test; the hooks of its suites' beginnings run when they are first needed. */
export async function run(one) {
  const suites = suitesOf(one);
  for (const each of suites) {
    if (each.isBegun) continue;
    each.isBegun = true;
    for (const body of each.hooks.beforeAll) await body();
  }
  for (const each of suites) for (const body of each.hooks.beforeEach) await body();
  try {
    await one.body({});
  } finally {
    for (const each of suites.reverse()) for (const body of each.hooks.afterEach) await body();
  }
}

/** Ends the suites of the tests that ran. */
export async function end(tests) {
  for (const each of new Set(tests.flatMap(suitesOf))) {
    if (!each.isBegun) continue;
    for (const body of each.hooks.afterAll) await body();
  }
}
