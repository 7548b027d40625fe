/** A model's numbers, in the letters of ARCHITECTURE.md (ts/models/config.ts says which key is which). */
export interface Preset {
  /** For a person: what the numbers are of, and where they are from. */
  readonly about: string;
  readonly architecture: "qwen3next" | "qwen35" | "qwen35moe";
  readonly L: number;
  readonly E: number;
  readonly V: number;
  /** feed_forward_length; 0 writes no such key. */
  readonly F: number;
  readonly H: number;
  readonly G: number;
  readonly D: number;
  /** 0 experts: a dense SwiGLU of F. */
  readonly X: number;
  readonly U: number;
  readonly expertF: number;
  readonly sharedF: number;
  readonly Hk: number;
  readonly Hv: number;
  readonly Dk: number;
  readonly Dv: number;
  /** No output.weight: the embedding serves as the head. */
  readonly tied: boolean;
  /** rope.dimension_count and rope.dimension_sections (qwen35 and qwen35moe only). */
  readonly rotated: number;
  readonly sections?: readonly [number, number, number, number];
}

/** Taps of the causal convolution: all models of the family have four. */
export const CONV_TAPS = 4;
/** Every fourth layer is attention, the others delta nets, in all models of the family. */
export const ATTENTION_INTERVAL = 4;

/** Qwen3.5's head sizes, rope and vocabulary, the same in every size. Source: config.json of the Qwen3.5 models on Hugging Face. */
const QWEN35 = { V: 248320, D: 256, Hk: 16, Dk: 128, Dv: 128, rotated: 64, sections: [11, 11, 10, 0] } as const;
const DENSE = { architecture: "qwen35", X: 0, U: 0, expertF: 0, sharedF: 0 } as const;
const NO_FFN = { F: 0 } as const;

const TINY = { V: 300, L: 4, tied: false } as const;
const TINY_EXPERTS = { X: 8, U: 2, expertF: 64, sharedF: 32 } as const;

const rows = {
  "qwen35-0.8b": {
    about: "Qwen3.5-0.8B, 0.75 G parameters",
    ...{ ...DENSE, ...QWEN35, L: 24, E: 1024, F: 3584, H: 8, G: 2, Hv: 16, tied: true },
  },
  "qwen35-2b": {
    about: "Qwen3.5-2B, 1.9 G parameters",
    ...{ ...DENSE, ...QWEN35, L: 24, E: 2048, F: 6144, H: 8, G: 2, Hv: 16, tied: true },
  },
  "qwen35-9b": {
    about: "Qwen3.5-9B, 9.0 G parameters",
    ...{ ...DENSE, ...QWEN35, L: 32, E: 4096, F: 12288, H: 16, G: 4, Hv: 32, tied: false },
  },
  "qwen35moe-35b-a3b": {
    about: "Qwen3.5-35B-A3B and Qwen3.6-35B-A3B, 34.7 G parameters, 256 experts",
    ...{ architecture: "qwen35moe", ...QWEN35, ...NO_FFN, L: 40, E: 2048, H: 16, G: 2, Hv: 32, tied: false },
    ...{ X: 256, U: 8, expertF: 512, sharedF: 512 },
  },
  "qwen3next-80b-a3b": {
    about: "Qwen3-Next-80B-A3B and Qwen3-Coder-Next, 79.7 G parameters, 512 experts",
    ...{ architecture: "qwen3next", V: 151936, L: 48, E: 2048, F: 5120, H: 16, G: 2, D: 256, tied: false },
    ...{ X: 512, U: 10, expertF: 512, sharedF: 512, Hk: 16, Hv: 32, Dk: 128, Dv: 128, rotated: 64 },
  },
  "tiny-qwen3next": {
    about: "for tests: 8 experts, 3 value heads a key head, Dk and Dv apart",
    ...{ architecture: "qwen3next", ...TINY, ...TINY_EXPERTS, E: 96, F: 160, H: 4, G: 2, D: 32, rotated: 16 },
    ...{ Hk: 2, Hv: 6, Dk: 32, Dv: 16 },
  },
  "tiny-qwen35": {
    about: "for tests: rows of 256 and more, so that K-quants are used; 3 value heads a key head",
    ...{ ...DENSE, ...TINY, E: 256, F: 512, H: 4, G: 1, D: 64, rotated: 16, sections: [3, 3, 2, 0], tied: true },
    ...{ Hk: 2, Hv: 6, Dk: 32, Dv: 32 },
  },
  "tiny-qwen35moe": {
    about: "for tests: 8 experts, 2 value heads a key head",
    ...{ architecture: "qwen35moe", ...TINY, ...TINY_EXPERTS, ...NO_FFN, E: 64, H: 4, G: 2, D: 32, rotated: 16, sections: [3, 3, 2, 0] },
    ...{ Hk: 4, Hv: 8, Dk: 16, Dv: 16 },
  },
} satisfies Record<string, Preset>;

export type PresetName = keyof typeof rows;

/**
 * Real models' shapes, and tiny ones for tests.
 *
 * Sources: config.json of the models on Hugging Face; the 35B, 80B and 9B also as llama.cpp prints their GGUF keys (ggml-org/llama.cpp
 * #22673, #17578, #22546); 0.8B, 35B and 80B also in THUDM/slime scripts/models. The parameter counts that follow from the numbers agree
 * with the published ones (ggml-org/Llama-macOS #63: 0.8B 0.76 G, 2B 1.89 G, 9B 8.96 G, 35B 34.7 G), which also settles whose head is tied.
 */
export const presets: Readonly<Record<PresetName, Preset>> = rows;
