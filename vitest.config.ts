import { defineConfig } from "vitest/config";
import { assets } from "./scripts/rollup-assets.mjs";

export default defineConfig({
  plugins: [assets()],
  test: {
    include: ["tests/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Kernels spin on barriers: two test files with two threads each would fight for two cores.
    fileParallelism: false,
    pool: "forks",
  },
});
