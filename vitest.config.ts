import { defineConfig } from "vitest/config";
import { assets } from "./scripts/rollup-assets.mjs";
import { xgrammar } from "./scripts/rollup-xgrammar.mjs";

export default defineConfig({
  plugins: [assets(), xgrammar()],
  test: {
    include: ["tests/**/*.test.ts"],
    // Minutes long: `npm run test:long`, `npm run test:browser`.
    exclude: ["tests/long/**", "tests/browser/long/**"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Kernels spin on barriers: two test files with two threads each would fight for two cores.
    fileParallelism: false,
    pool: "forks",
  },
});
