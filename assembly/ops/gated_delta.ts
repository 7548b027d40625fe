import { fma4, hsum } from "../simd";
import { exp1, sigmoid1, sumOfSquares } from "../math";

/** Tokens whose q and k are normalised together: with a pair of state rows they stay in L1 (8 · 2 · 128 floats = 8 KiB). */
const BLOCK: u32 = 8;
/** A token's numbers before its q [Dk] and k [Dk]: e^g, beta, k·q, the address of v. */
const HEADER: usize = 16;

/**
 * Unit: one value head h, all tokens in order. qkv [T, C], a, b, out gates [T, Hv], dt, A [Hv], state [S, Hv, Dv, Dk], rows [T],
 * out [T, Hv, Dv]. Dk is a multiple of 4, Dv of 2. Rows of S do not know of each other: two at a time they go through a block of tokens,
 * and one pass both ends a token's step and begins the next one's, so that S is loaded and stored once a token:
 *   S·q of the new state is e^g (S·q) + delta (k·q), delta = beta (v - e^g (S·k)).
 * scratch: BLOCK tokens of header, q, k.
 */
export function gated_delta(out: usize, qkv: usize, a: usize, b: usize, dt: usize, A: usize, state: usize, rows: usize, T: u32, C: u32, Hk: u32, Hv: u32, Dk: u32, Dv: u32, tiled: u32, eps: f32, scratch: usize, begin: u32, end: u32): void {
  const keyBytes = <usize>Dk << 2, tokenBytes = HEADER + 2 * keyBytes, outBytes = <usize>(Hv * Dv) << 2;
  const rowsBytes = keyBytes * <usize>Dv; // of S, of one head
  for (let h = begin; h < end; h++) {
    const keyHead = tiled ? h % Hk : h / (Hv / Hk);
    const bias = load<f32>(dt + (<usize>h << 2)), rate = load<f32>(A + (<usize>h << 2));
    const values = qkv + ((2 * <usize>Hk * <usize>Dk + <usize>h * <usize>Dv) << 2);
    for (let t: u32 = 0; t < T; ) {
      const row = load<i32>(rows + (<usize>t << 2));
      let at = scratch;
      let to = t;
      for (const most = min(T, t + BLOCK); to < most && load<i32>(rows + (<usize>to << 2)) == row; to++, at += tokenBytes) {
        const token = qkv + (<usize>to * <usize>C << 2), gate = <usize>(to * Hv + h) << 2;
        const decay = exp1(softplus(load<f32>(a + gate) + bias) * rate);
        prepare(at, token + <usize>keyHead * keyBytes, token + <usize>(Hk + keyHead) * keyBytes, Dk, decay, sigmoid1(load<f32>(b + gate)), eps);
        store<u32>(at, <u32>(values + (<usize>to * <usize>C << 2)), 12);
      }
      const S = state + <usize>(<u32>row * Hv + h) * rowsBytes;
      const first = out + (<usize>(t * Hv + h) * <usize>Dv << 2);
      if (to - t == 1) oneToken(S, Dv, scratch, first, keyBytes);
      else for (let i: usize = 0; i < <usize>Dv; i += 2) rowPair(S + i * keyBytes, i << 2, scratch, at, first, outBytes, keyBytes);
      t = to;
    }
  }
}

/** A token's header, q / |q| / sqrt(Dk) and k / |k|. */
function prepare(at: usize, q: usize, k: usize, Dk: u32, decay: f32, beta: f32, eps: f32): void {
  const byQ = f32x4.splat(<f32>1.0 / sqrt<f32>(<f32>Dk) / sqrt<f32>(sumOfSquares(q, Dk) + eps));
  const byK = f32x4.splat(<f32>1.0 / sqrt<f32>(sumOfSquares(k, Dk) + eps));
  store<f32>(at, decay);
  store<f32>(at, beta, 4);
  const keyBytes = <usize>Dk << 2, to = at + HEADER;
  let kq = f32x4.splat(0);
  for (let j: usize = 0; j < keyBytes; j += 16) {
    const qj = f32x4.mul(v128.load(q + j), byQ), kj = f32x4.mul(v128.load(k + j), byK);
    v128.store(to + j, qj);
    v128.store(to + keyBytes + j, kj);
    kq = fma4(kj, qj, kq);
  }
  store<f32>(at, hsum(kq), 8);
}

/** Rows i and i + 1 of S, at S, through the tokens at .. end. `value` = 4 i; out: of the first token. */
function rowPair(S: usize, value: usize, at: usize, end: usize, out: usize, outBytes: usize, keyBytes: usize): void {
  const other = S + keyBytes, tokenBytes = HEADER + 2 * keyBytes, z = f32x4.splat(0);
  out += value;
  // S·k and S·q of the first token
  let q = at + HEADER, k0 = z, q0 = z, k1 = z, q1 = z;
  for (let j: usize = 0; j < keyBytes; j += 16) {
    const s0 = v128.load(S + j), s1 = v128.load(other + j), kj = v128.load(q + keyBytes + j), qj = v128.load(q + j);
    k0 = fma4(s0, kj, k0); q0 = fma4(s0, qj, q0); k1 = fma4(s1, kj, k1); q1 = fma4(s1, qj, q1);
  }
  for (;;) {
    const decay = load<f32>(at), beta = load<f32>(at, 4), kq = load<f32>(at, 8), v = <usize>load<u32>(at, 12) + value;
    const delta0 = beta * (load<f32>(v) - decay * hsum(k0)), delta1 = beta * (load<f32>(v, 4) - decay * hsum(k1));
    store<f32>(out, decay * hsum(q0) + delta0 * kq);
    store<f32>(out, decay * hsum(q1) + delta1 * kq, 4);
    const g = f32x4.splat(decay), d0 = f32x4.splat(delta0), d1 = f32x4.splat(delta1), k = q + keyBytes;
    at += tokenBytes;
    if (at == end) return update(S, other, k, keyBytes, g, d0, d1);
    out += outBytes;
    q = at + HEADER;
    k0 = z; q0 = z; k1 = z; q1 = z;
    for (let j: usize = 0; j < keyBytes; j += 16) {
      const kj = v128.load(k + j), nextK = v128.load(q + keyBytes + j), nextQ = v128.load(q + j);
      const s0 = fma4(d0, kj, f32x4.mul(v128.load(S + j), g)), s1 = fma4(d1, kj, f32x4.mul(v128.load(other + j), g));
      v128.store(S + j, s0);
      v128.store(other + j, s1);
      k0 = fma4(s0, nextK, k0); q0 = fma4(s0, nextQ, q0); k1 = fma4(s1, nextK, k1); q1 = fma4(s1, nextQ, q1);
    }
  }
}

/**
 * All rows of S through one token, two at a time: while two are updated, the next two are read, and so no sum waits for itself (a row of 128 floats
 * takes 42 ns one at a time, 37 so; relaxed 39 and 30). They take turns from four places far apart, as matrices do (matmul/streams.ts).
 * Two units do the four products of an element: that alone takes 2 cycles for four of them, all of it 2.5 (relaxed, S in L2; from L3, where that of
 * many streams lies, 2.7). Four rows at a time gained nothing there and lost a quarter without relaxed SIMD, where registers run out; two turns
 * of the loop at once gained 2 % and lost 8.
 */
function oneToken(S: usize, Dv: u32, at: usize, out: usize, keyBytes: usize): void {
  const q = at + HEADER, k = q + keyBytes, decay = load<f32>(at), beta = load<f32>(at, 4), kq = load<f32>(at, 8), g = f32x4.splat(decay);
  const v = <usize>load<u32>(at, 12), half = Dv >> 1, apart = (half + 1) >> 1, far = <usize>half << 2, other = <usize>half * keyBytes;
  let k0 = f32x4.splat(0), q0 = k0, k1 = k0, q1 = k0, s = S;
  for (let j: usize = 0; j < keyBytes; j += 16) {
    const kj = v128.load(k + j), qj = v128.load(q + j), s0 = v128.load(s + j), s1 = v128.load(s + other + j);
    k0 = fma4(s0, kj, k0); q0 = fma4(s0, qj, q0); k1 = fma4(s1, kj, k1); q1 = fma4(s1, qj, q1);
  }
  for (let r: u32 = 0, n: u32 = 0; ; ) {
    const i = <usize>n << 2, delta0 = beta * (load<f32>(v + i) - decay * hsum(k0)), delta1 = beta * (load<f32>(v + far + i) - decay * hsum(k1));
    store<f32>(out + i, decay * hsum(q0) + delta0 * kq);
    store<f32>(out + far + i, decay * hsum(q1) + delta1 * kq);
    const d0 = f32x4.splat(delta0), d1 = f32x4.splat(delta1);
    n += apart;
    if (n >= half) n = ++r;
    if (r == apart) return update(s, s + other, k, keyBytes, g, d0, d1);
    const next = S + <usize>n * keyBytes;
    k0 = f32x4.splat(0); q0 = k0; k1 = k0; q1 = k0;
    for (let a = s, b = next, p = q; p < k; a += 16, b += 16, p += 16) {
      const kj = v128.load(p + keyBytes), qj = v128.load(p), s0 = v128.load(b), s1 = v128.load(b + other);
      k0 = fma4(s0, kj, k0); q0 = fma4(s0, qj, q0); k1 = fma4(s1, kj, k1); q1 = fma4(s1, qj, q1);
      v128.store(a, fma4(d0, kj, f32x4.mul(v128.load(a), g)));
      v128.store(a + other, fma4(d1, kj, f32x4.mul(v128.load(a + other), g)));
    }
    s = next;
  }
}

/** Two rows of S ← S e^g + delta kᵀ */
@inline
function update(S: usize, other: usize, k: usize, keyBytes: usize, g: v128, d0: v128, d1: v128): void {
  for (let j: usize = 0; j < keyBytes; j += 16) {
    const kj = v128.load(k + j);
    v128.store(S + j, fma4(d0, kj, f32x4.mul(v128.load(S + j), g)));
    v128.store(other + j, fma4(d1, kj, f32x4.mul(v128.load(other + j), g)));
  }
}

@inline
function softplus(x: f32): f32 {
  return x > 20.0 ? x : Mathf.log1p(Mathf.exp(x));
}
