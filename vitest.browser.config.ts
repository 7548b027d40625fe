import { defineConfig } from "vitest/config";
import config from "./vitest.config.ts";

/** The page with its GPU, which is SwiftShader: minutes. */
export default defineConfig({
  ...config,
  test: { ...config.test, include: ["tests/browser/**/*.test.ts"], exclude: [], testTimeout: 300_000, hookTimeout: 120_000 },
});
