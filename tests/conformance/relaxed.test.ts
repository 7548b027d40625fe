import { spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { expect, test } from "vitest";

test("every op on the relaxed build, in Deno", async () => {
  const outfile = path.join(mkdtempSync(path.join(tmpdir(), "tandem-relaxed-")), "relaxed-ops.mjs");
  const entry = fileURLToPath(new URL("./relaxed-ops.ts", import.meta.url));
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "esnext",
    loader: { ".wasm": "binary" },
  });
  const { stdout, stderr } = spawnSync("npx", ["deno", "run", "-A", outfile], { encoding: "utf8" });
  expect(stdout, stderr).toMatch(/^[1-9]\d+ passed, 0 failed\n$/);
});
