// The inner loops of GEMM: 8 weight rows by 4 tokens. Sums end in `acc`, f32[4 tokens][8 rows] in memory: with the integer sums in
// registers there is no room for them (16 on x86), and a block's 128 steps hide the traffic.
// A step's tokens as shuffles of one load, as tile_codes.ts may have them: Q8_0 48 GFLOP/s against 56 in Node, 47 against 41 in Deno.

import { fma4, mac } from "../simd";

// @ts-ignore: decorator
@inline
export const ACC_BYTES: usize = 128;

// @ts-ignore: decorator
@inline
export function flush(acc: usize, sums: v128, scale: v128): void {
  v128.store(acc, fma4(f32x4.convert_i32x4_s(sums), scale, v128.load(acc)));
}

// @ts-ignore: decorator
@inline
export function clearAcc(acc: usize): void {
  const z = f32x4.splat(0);
  for (let i: usize = 0; i < ACC_BYTES; i += 16) v128.store(acc + i, z);
}

/**
 * acc += the segments of panel · quad up to panelEnd; segments have `steps` and `otherSteps` steps by turns (see panel.ts). Each is added to the
 * acc after the one before it, round and round: `accs` of them, 1 or 4.
 */
// @ts-ignore: decorator
@inline
function addSegments(panel: usize, panelEnd: usize, quad: usize, acc: usize, accs: u32, steps: u32, otherSteps: u32): void {
  const both = (<usize>steps + <usize>otherSteps) << 5, first = acc, last = acc + <usize>(accs - 1) * ACC_BYTES, z = i32x4.splat(0);
  let length = <usize>steps << 5;
  while (panel < panelEnd) {
    let a0 = z, a1 = z, a2 = z, a3 = z, b0 = z, b1 = z, b2 = z, b3 = z;
    const scales = panel, inputScales = quad;
    panel += 32; quad += 16;
    for (const end = panel + length; panel < end; panel += 32) {
      const a = v128.load(panel), b = v128.load(panel, 16);
      const x0 = v128.load32_splat(quad), x1 = v128.load32_splat(quad, 4), x2 = v128.load32_splat(quad, 8), x3 = v128.load32_splat(quad, 12);
      a0 = mac(a, x0, a0); b0 = mac(b, x0, b0); a1 = mac(a, x1, a1); b1 = mac(b, x1, b1);
      a2 = mac(a, x2, a2); b2 = mac(b, x2, b2); a3 = mac(a, x3, a3); b3 = mac(b, x3, b3);
      quad += 16;
    }
    const sa = v128.load(scales), sb = v128.load(scales, 16);
    let x = v128.load32_splat(inputScales);
    flush(acc, a0, f32x4.mul(sa, x)); flush(acc + 16, b0, f32x4.mul(sb, x));
    x = v128.load32_splat(inputScales, 4);
    flush(acc + 32, a1, f32x4.mul(sa, x)); flush(acc + 48, b1, f32x4.mul(sb, x));
    x = v128.load32_splat(inputScales, 8);
    flush(acc + 64, a2, f32x4.mul(sa, x)); flush(acc + 80, b2, f32x4.mul(sb, x));
    x = v128.load32_splat(inputScales, 12);
    flush(acc + 96, a3, f32x4.mul(sa, x)); flush(acc + 112, b3, f32x4.mul(sb, x));
    if (accs > 1) acc = acc == last ? first : acc + ACC_BYTES;
    length = both - length;
  }
}

/** acc = panel · quad, block after block. */
export function tileInt(panel: usize, panelEnd: usize, quad: usize, acc: usize, steps: u32, otherSteps: u32): void {
  clearAcc(acc);
  addSegments(panel, panelEnd, quad, acc, 1, steps, otherSteps);
}

/** acc = panel · quad in the order of formats/q8_0.ts: by fours, which are then added up as hsum does, and the blocks that remain. */
export function tileFours(panel: usize, panelEnd: usize, quad: usize, acc: usize, steps: u32): void {
  const four = <usize>(steps + 1) << 7, fours = (panelEnd - panel) / four * four;
  for (let i: usize = 0; i < 4; i++) clearAcc(acc + i * ACC_BYTES);
  addSegments(panel, panel + fours, quad, acc, 4, steps, steps);
  for (const end = acc + ACC_BYTES; acc < end; acc += 16) {
    const a = f32x4.add(v128.load(acc), v128.load(acc, 128)), b = f32x4.add(v128.load(acc, 256), v128.load(acc, 384));
    v128.store(acc, f32x4.add(a, b));
  }
  addSegments(panel + fours, panelEnd, quad + (fours >> 1), acc - ACC_BYTES, 1, steps, steps);
}
