import { defineConfig } from "vitest/config";

/** `npm run test:package`: minutes long and through the npm registry, so no part of `npm test`. */
export default defineConfig({
  test: {
    include: ["tests/package/**/*.test.ts"],
    globalSetup: "tests/package/setup.ts",
    testTimeout: 180_000,
    hookTimeout: 300_000,
    fileParallelism: false,
    pool: "forks",
  },
});
