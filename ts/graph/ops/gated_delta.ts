import { op } from "../op.ts";

const repeat = (n: number, row: number) => Array.from({ length: n }, () => row);
/** Sizes of the cases that are long enough for chunks of 64 tokens, on backends that have them. */
const LONG = { C: 512, Hk: 2, Hv: 4, Dk: 64, Dv: 64, tiled: 1, eps: 1e-6 };

/**
 * Gated delta rule (Yang et al. 2024, arXiv 2412.06464), token by token along each sequence, with its gates:
 *   g = softplus(a + dt) · A, beta = sigmoid(b), q = l2norm(q) / sqrt(Dk), k = l2norm(k), l2norm(x) = x / sqrt(Σ x² + eps)
 *   S ← S · e^g + beta · (v - S e^g k) kᵀ,  out = S q
 * qkv is [q of Hk heads | k of Hk heads | v of Hv heads]. Value head h reads key head h / (Hv / Hk), or h mod Hk where tiled = 1
 * (qwen35's converter reorders value heads so); never a repeat. State S of a sequence's row is [Hv, Dv, Dk], always F32, in place.
 * eps stands under the root as in Hugging Face's modelling; llama.cpp's l2_norm takes max(|x|, eps), alike unless a head is near zero.
 * The l2 norm and the gates are inside because alone each is a pass over memory for a few operations per element.
 */
export const gatedDelta = op("gated_delta", {
  inputs: { qkv: "f32[T, C]", a: "f32[T, Hv]", b: "f32[T, Hv]", dt: "f32[Hv]", A: "f32[Hv]", state: "f32[S, Hv, Dv, Dk]", rows: "i32[T]" },
  outputs: { out: "f32[T, Hv, Dv]" },
  params: { Hk: "u32", tiled: "u32", eps: "f32" },
  mutates: ["state"],
  check: ({ C, Hk, Dk, Hv, Dv }) => {
    if (C !== 2 * Hk! * Dk! + Hv! * Dv!) return `qkv must have 2 · Hk · Dk + Hv · Dv = ${2 * Hk! * Dk! + Hv! * Dv!} channels`;
    return Hv! % Hk! === 0 ? undefined : `key heads Hk = ${Hk} must divide value heads Hv = ${Hv}`;
  },
  reference({ out, qkv, a, b, dt, A, state, rows }, { T, C, Hk, Hv, Dk, Dv, tiled, eps }) {
    const unit = (from: number) => {
      const head = qkv.subarray(from, from + Dk!); // [Dk]
      return head.map((value) => value / Math.sqrt(head.reduce((sum, v) => sum + v * v, 0) + eps!));
    };
    for (let t = 0; t < T!; t++) {
      for (let h = 0; h < Hv!; h++) {
        const keyHead = tiled ? h % Hk! : Math.floor(h / (Hv! / Hk!));
        const q = unit(t * C! + keyHead * Dk!).map((value) => value / Math.sqrt(Dk!)); // [Dk]
        const k = unit(t * C! + (Hk! + keyHead) * Dk!); // [Dk]
        const v = t * C! + 2 * Hk! * Dk! + h * Dv!; // offset of [Dv]
        const decay = Math.exp(softplus(a[t * Hv! + h]! + dt[h]!) * A[h]!);
        const beta = 1 / (1 + Math.exp(-b[t * Hv! + h]!));
        for (let i = 0; i < Dv!; i++) {
          const s = state.subarray(((rows[t]! * Hv! + h) * Dv! + i) * Dk!).subarray(0, Dk!); // S[i] [Dk]
          const old = s.reduce((sum, value, j) => sum + value * decay * k[j]!, 0);
          const delta = beta * (qkv[v + i]! - old);
          for (let j = 0; j < Dk!; j++) s[j] = s[j]! * decay + delta * k[j]!;
          out[(t * Hv! + h) * Dv! + i] = s.reduce((sum, value, j) => sum + value * q[j]!, 0);
        }
      }
    }
  },
  units: ({ Hv }) => Hv!,
  cost: ({ T, Hv, Dv, Dk }) => ({ flops: 7 * T! * Hv! * Dv! * Dk!, bytes: 8 * Hv! * Dv! * Dk! }),
  cases: [
    { T: 1, C: 192, Hk: 2, Hv: 4, Dk: 16, Dv: 32, S: 1, tiled: 0, eps: 1e-6, rows: [0] },
    { T: 9, C: 192, Hk: 2, Hv: 4, Dk: 16, Dv: 32, S: 2, tiled: 1, eps: 1e-6, rows: [1, 1, 1, 1, 1, 1, 1, 1, 1] },
    { T: 7, C: 512, Hk: 1, Hv: 2, Dk: 128, Dv: 128, S: 3, tiled: 0, eps: 1e-6, rows: [0, 0, 0, 2, 2, 1, 1] },
    { ...LONG, T: 65, S: 1, rows: repeat(65, 0) },
    { ...LONG, T: 200, S: 3, rows: [...repeat(66, 2), ...repeat(100, 0), ...repeat(34, 1)] },
  ],
  tolerance: 2e-5,
});

const softplus = (x: number) => (x > 20 ? x : Math.log1p(Math.exp(x)));
