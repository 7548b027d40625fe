import type { Architecture } from "./architecture.ts";
import { attentionProjections, decoder, deltaNet, gatedAttention, moeFfn } from "./blocks.ts";
import { projections } from "./qwen35.ts";

/** Qwen3.5 and 3.6 with a mixture of experts and a shared expert behind each layer; the mixers are qwen35's. */
export const qwen35moe: Architecture = {
  name: "qwen35moe",
  build(m) {
    const { recurrent } = m.config;
    return decoder(
      m,
      (i, x) => (recurrent[i] ? deltaNet(m, i, x, projections(m, i), true) : gatedAttention(m, i, x, attentionProjections(m, i))),
      (i, x) => moeFfn(m, i, x),
    );
  },
};
