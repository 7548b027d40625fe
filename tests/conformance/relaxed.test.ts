import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import binaryen from "assemblyscript/binaryen";
import { build } from "esbuild";
import { expect, test } from "vitest";

const DOT = "i32x4.relaxed_dot_i8x16_i7x16_add_s";

/** Products of the bytes of $x with those of $w after `change`, from -128 to 127, summed by fours. */
const summed = (change: string) => `(func $dot (param $x v128) (param $w v128) (param $c v128) (result v128) (local $p v128) (local $q v128)
  (local.set $w ${change})
  (local.set $p (i32x4.extadd_pairwise_i16x8_s (i16x8.extmul_low_i8x16_s (local.get $x) (local.get $w))))
  (local.set $q (i32x4.extadd_pairwise_i16x8_s (i16x8.extmul_high_i8x16_s (local.get $x) (local.get $w))))
  (i32x4.add (local.get $c) (i32x4.add
    (i8x16.shuffle 0 1 2 3 8 9 10 11 16 17 18 19 24 25 26 27 (local.get $p) (local.get $q))
    (i8x16.shuffle 4 5 6 7 12 13 14 15 20 21 22 23 28 29 30 31 (local.get $p) (local.get $q)))))`;
/** As ARM does it. */
const SIGNED = summed("(local.get $w)");
/** A machine whose bytes above 127 are of no use: it takes the ways without dot-adds. */
const UNUSABLE = summed("(v128.and (local.get $w) (i8x16.splat (i32.const 127)))");

/** The kernels with this function in place of the machine's dot-add. */
function withDot(kernels: Uint8Array, dot: string): Uint8Array {
  const module = binaryen.readBinary(kernels);
  const text = module.emitText();
  module.dispose();
  expect(text).toContain(`(${DOT}`);
  const changed = binaryen.parseText(text.replaceAll(`(${DOT}`, "(call $dot").replace(/\)\s*$/, `${dot})`));
  changed.setFeatures(binaryen.Features.All);
  const bytes = changed.emitBinary();
  changed.dispose();
  return bytes;
}

/** What relaxed-ops.ts prints in Deno of all ops or one, with the machine's dot-add or this one. */
async function runOps(op: string[], dot?: string): Promise<string> {
  const outfile = path.join(mkdtempSync(path.join(tmpdir(), "tandem-relaxed-")), "relaxed-ops.mjs");
  await build({
    entryPoints: [fileURLToPath(new URL("./relaxed-ops.ts", import.meta.url))],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "esnext",
    loader: { ".wasm": "binary" },
    plugins: [
      {
        name: "dot",
        setup({ onLoad }) {
          if (dot)
            onLoad({ filter: /kernels\.relaxed\.wasm$/ }, (file) => ({
              contents: withDot(readFileSync(file.path), dot),
              loader: "binary",
            }));
        },
      },
    ],
  });
  const { stdout, stderr } = spawnSync("npx", ["deno", "run", "-A", outfile, ...op], { encoding: "utf8" });
  expect(stdout, stderr).toMatch(/^[1-9]\d+ passed, 0 failed\n[0-9a-f]{64}\n$/);
  return stdout;
}

test("every op on the relaxed build, in Deno, and to the same bits with the dot-adds of other machines", async () => {
  const bits = (stdout: string) => stdout.split("\n")[1];
  const checksum = bits(await runOps([]));
  expect(bits(await runOps(["attention"], SIGNED))).toBe(checksum);
  expect(bits(await runOps(["matmul"], UNUSABLE))).toBe(checksum);
}, 120_000);
