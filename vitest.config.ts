import { defineConfig } from "vitest/config";
import { assets } from "./scripts/rollup-assets.mjs";
import { grammarScript } from "./scripts/rollup-grammar.mjs";

export default defineConfig({
  plugins: [assets(), grammarScript()],
  test: {
    include: ["tests/**/*.test.ts"],
    // Minutes long: `npm run test:long`, `npm run test:package`, `npm run test:browser`, `npm run test:gpu`.
    exclude: ["tests/long/**", "tests/package/**", "tests/browser/long/**", "tests/webgpu/wide/**"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Shaders compile on one core while kernels run on another. More at once would fight for two cores: kernels spin on barriers.
    maxWorkers: 2,
    pool: "forks",
  },
});
