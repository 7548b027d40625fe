import type { Architecture, Building } from "./architecture.ts";
import { attentionProjections, type DeltaProjections, decoder, deltaNet, denseFfn, gatedAttention } from "./blocks.ts";

/**
 * Qwen3.5 and 3.6, dense: Gated DeltaNet and gated attention with a SwiGLU behind each layer. The converter reorders value heads so that
 * head h reads key head h mod Hk ("tiled"). Source: Hugging Face modeling_qwen3_5.py; tensors as llama.cpp writes them.
 */
export const qwen35: Architecture = {
  name: "qwen35",
  build(m) {
    const { recurrent } = m.config;
    return decoder(
      m,
      (i, x) => (recurrent[i] ? deltaNet(m, i, x, projections(m, i), true) : gatedAttention(m, i, x, attentionProjections(m, i))),
      (i, x) => denseFfn(m, i, x),
    );
  },
};

/** Projections of a delta-net layer as qwen35 and qwen35moe files have them. */
export function projections({ weights, config }: Building, i: number): DeltaProjections {
  const { E, C, Hv, Dv } = config;
  return {
    qkv: weights.matrix(`blk.${i}.attn_qkv.weight`, [C, E]),
    z: weights.matrix(`blk.${i}.attn_gate.weight`, [Hv * Dv, E]),
    b: weights.matrix(`blk.${i}.ssm_beta.weight`, [Hv, E]),
    a: weights.matrix(`blk.${i}.ssm_alpha.weight`, [Hv, E]),
  };
}
