import { fma4, hsum } from "../simd";
import { exp1, sigmoid1, sumOfSquares } from "../math";

/**
 * Unit: one value head h, all tokens in order. qkv [T, C], a, b, out gates [T, Hv], dt, A [Hv], state [S, Hv, Dv, Dk], rows [T],
 * out [T, Hv, Dv]. A state row of Dk floats stays in L1 between its two passes: S·k, then the update with S·q. Dk is a multiple of 4.
 * scratch: q and k of the head, normalised, [2, Dk].
 */
export function gated_delta(out: usize, qkv: usize, a: usize, b: usize, dt: usize, A: usize, state: usize, rows: usize, T: u32, C: u32, Hk: u32, Hv: u32, Dk: u32, Dv: u32, tiled: u32, eps: f32, scratch: usize, begin: u32, end: u32): void {
  const keyBytes = <usize>Dk << 2;
  const valueBytes = <usize>Dv << 2;
  const stateBytes = keyBytes * <usize>Dv;
  const q = scratch;
  const k = scratch + keyBytes;
  const scale: f32 = 1.0 / sqrt<f32>(<f32>Dk);
  for (let h = begin; h < end; h++) {
    const keyHead = tiled ? h % Hk : h / (Hv / Hk);
    const bias = load<f32>(dt + (<usize>h << 2));
    const rate = load<f32>(A + (<usize>h << 2));
    for (let t: u32 = 0; t < T; t++) {
      const token = qkv + (<usize>(t * C) << 2);
      const gate = <usize>(t * Hv + h) << 2;
      normalise(q, token + <usize>keyHead * keyBytes, Dk, scale, eps);
      normalise(k, token + <usize>(Hk + keyHead) * keyBytes, Dk, 1.0, eps);
      const decay = exp1(softplus(load<f32>(a + gate) + bias) * rate);
      const beta = sigmoid1(load<f32>(b + gate));
      const S = state + <usize>(load<i32>(rows + (<usize>t << 2)) * Hv + h) * stateBytes;
      const v = token + 2 * <usize>Hk * keyBytes + <usize>h * valueBytes;
      step(S, q, k, v, out + <usize>(t * Hv + h) * valueBytes, decay, beta, keyBytes, valueBytes);
    }
  }
}

/** S [Dv, Dk] ← S · decay + beta · (v - S · decay · k) kᵀ; out [Dv] = S q. */
@inline
function step(S: usize, q: usize, k: usize, v: usize, out: usize, decay: f32, beta: f32, keyBytes: usize, valueBytes: usize): void {
  const decays = f32x4.splat(decay);
  for (let i: usize = 0; i < valueBytes; i += 4) {
    let d0 = f32x4.splat(0);
    let d1 = d0;
    let j: usize = 0;
    for (; j + 16 < keyBytes; j += 32) {
      d0 = fma4(v128.load(S + j), v128.load(k + j), d0);
      d1 = fma4(v128.load(S + j, 16), v128.load(k + j, 16), d1);
    }
    if (j < keyBytes) d0 = fma4(v128.load(S + j), v128.load(k + j), d0);
    const delta = f32x4.splat(beta * (load<f32>(v + i) - hsum(f32x4.add(d0, d1)) * decay));
    let o0 = f32x4.splat(0);
    let o1 = o0;
    for (j = 0; j + 16 < keyBytes; j += 32) {
      const s0 = fma4(delta, v128.load(k + j), f32x4.mul(v128.load(S + j), decays));
      const s1 = fma4(delta, v128.load(k + j, 16), f32x4.mul(v128.load(S + j, 16), decays));
      v128.store(S + j, s0);
      v128.store(S + j, s1, 16);
      o0 = fma4(s0, v128.load(q + j), o0);
      o1 = fma4(s1, v128.load(q + j, 16), o1);
    }
    if (j < keyBytes) {
      const s0 = fma4(delta, v128.load(k + j), f32x4.mul(v128.load(S + j), decays));
      v128.store(S + j, s0);
      o0 = fma4(s0, v128.load(q + j), o0);
    }
    store<f32>(out + i, hsum(f32x4.add(o0, o1)));
    S += keyBytes;
  }
}

/** to = from / sqrt(Σ from² + eps) · scale */
@inline
function normalise(to: usize, from: usize, n: u32, scale: f32, eps: f32): void {
  const factor = f32x4.splat(scale / sqrt<f32>(sumOfSquares(from, n) + eps));
  for (let i: usize = 0; i < <usize>n << 2; i += 16) v128.store(to + i, f32x4.mul(v128.load(from + i), factor));
}

@inline
function softplus(x: f32): f32 {
  return x > 20.0 ? x : Mathf.log1p(Mathf.exp(x));
}
