import type { Architecture, Building } from "./architecture.ts";
import { attentionProjections, type DeltaProjections, decoder, deltaNet, denseFfn, gatedAttention, moeFfn } from "./blocks.ts";

/**
 * Qwen3-Next and Qwen3-Coder-Next: three Gated DeltaNet layers to one of gated attention, a mixture of experts behind each.
 * Value heads are grouped: head h reads key head h / (Hv / Hk). Source: Hugging Face modeling_qwen3_next.py; tensors as llama.cpp writes them.
 */
export const qwen3next: Architecture = {
  name: "qwen3next",
  build(m) {
    const { recurrent } = m.config;
    return decoder(
      m,
      (i, x) => (recurrent[i] ? deltaNet(m, i, x, projections(m, i), false) : gatedAttention(m, i, x, attentionProjections(m, i))),
      (i, x) => (m.weights.has(`blk.${i}.ffn_gate_inp.weight`) ? moeFfn(m, i, x) : denseFfn(m, i, x)),
    );
  },
};

/** Both layouts in circulation: attn_qkv + attn_gate, or the older ssm_in with each key head's q, k, v, z together. ssm_ba likewise. */
function projections(m: Building, i: number): DeltaProjections {
  const { weights, config } = m;
  const { E, C, Hk, Hv, Dk, Dv } = config;
  const r = Hv / Hk;
  const perKeyHead = (stride: number, skip: number, count: number) => () =>
    Array.from({ length: Hk }, (_, g) => ({ first: stride * g + skip, count }));
  const ba = `blk.${i}.ssm_ba.weight`; // rows of a key head: [b r, a r]
  const b = weights.rows(ba, "b", [2 * Hv, E], [Hv, E], perKeyHead(2 * r, 0, r));
  const a = weights.rows(ba, "a", [2 * Hv, E], [Hv, E], perKeyHead(2 * r, r, r));
  const packed = `blk.${i}.ssm_in.weight`; // rows of a key head: [q Dk, k Dk, v r · Dv, z r · Dv]
  if (!weights.has(packed)) {
    return { qkv: weights.matrix(`blk.${i}.attn_qkv.weight`, [C, E]), z: weights.matrix(`blk.${i}.attn_gate.weight`, [Hv * Dv, E]), b, a };
  }
  const stride = 2 * Dk + 2 * r * Dv;
  const qkv = () =>
    [perKeyHead(stride, 0, Dk), perKeyHead(stride, Dk, Dk), perKeyHead(stride, 2 * Dk, r * Dv)].flatMap((ranges) => ranges());
  const whole = [C + Hv * Dv, E];
  return {
    qkv: weights.rows(packed, "qkv", whole, [C, E], qkv),
    z: weights.rows(packed, "z", whole, [Hv * Dv, E], perKeyHead(stride, 2 * Dk + r * Dv, r * Dv)),
    b,
    a,
  };
}
