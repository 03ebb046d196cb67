import { defineConfig } from "vitest/config";

// One seed a run for every randomised property; SEED=… repeats a run.
const seed = process.env.SEED ?? String(Date.now() % 2 ** 31);
console.log(`properties use SEED=${seed}`);

export default defineConfig({
  test: {
    include: ["test/**/*.test.{ts,mjs}"],
    setupFiles: ["test/setup.ts"],
    env: { SEED: seed },
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
