import { UnsupportedModelError } from "../errors.ts";
import type { Metadata } from "../io/metadata.ts";

/** The numbers of a model of this family, in the letters of ARCHITECTURE.md, from `<arch>.*` keys of the GGUF. */
export interface Config {
  readonly architecture: string;
  /** embedding_length */
  readonly E: number;
  /** Vocabulary: rows of token_embd. */
  readonly V: number;
  /** Layers that run: block_count less nextn_predict_layers. */
  readonly L: number;
  /** Multi-token-prediction layers at the end of the file, not run. */
  readonly mtpLayers: number;
  /** attention.head_count, head_count_kv, key_length */
  readonly H: number;
  readonly G: number;
  readonly D: number;
  /** feed_forward_length of dense layers. */
  readonly F: number;
  /** expert_count, expert_used_count (0: no experts), expert_feed_forward_length, expert_shared_feed_forward_length */
  readonly X: number;
  readonly U: number;
  readonly expertF: number;
  readonly sharedF: number;
  /** Delta net: ssm.group_count, time_step_rank, state_size, inner_size / time_step_rank */
  readonly Hk: number;
  readonly Hv: number;
  readonly Dk: number;
  readonly Dv: number;
  /** Conv channels 2 · Hk · Dk + Hv · Dv, and taps ssm.conv_kernel. */
  readonly C: number;
  readonly K: number;
  /** attention.layer_norm_rms_epsilon: all norms and the delta net's l2 norm. */
  readonly eps: number;
  readonly rope: RopeConfig;
  /** context_length: what the model was trained for. */
  readonly trainedContext: number;
  /** Whether a layer is a delta net; else it is gated attention. L entries. */
  readonly recurrent: readonly boolean[];
}

/** Rotary position embedding. */
export interface RopeConfig {
  /** rope.dimension_count: rotated elements of a head. */
  readonly dimensions: number;
  readonly freqBase: number;
  /** Positions are divided by this (rope.scaling.type linear). */
  readonly scale: number;
  /** rope.dimension_sections [t, h, w, e] in pairs, for IMROPE. */
  readonly sections: readonly number[] | undefined;
}

/** A key's number is outside what this library can run. */
function refuse(metadata: Metadata, key: string, wanted: string, got: unknown): never {
  throw new UnsupportedModelError(
    `${metadata.name}: key "${key}" must be ${wanted}, got ${got}: the file is damaged or of a variant not supported here`,
  );
}

/** Reads and checks the keys. Throws GgufError for a missing key, UnsupportedModelError for a value out of range. */
export function readConfig(metadata: Metadata, V: number): Config {
  const architecture = metadata.getString("general.architecture");
  const key = (name: string) => `${architecture}.${name}`;
  const size = (name: string, fallback?: number): number => {
    const value = metadata.optionalCount(key(name)) ?? fallback ?? metadata.getCount(key(name));
    return value >= 1 && value <= MAX_EXTENT ? value : refuse(metadata, key(name), `1 to ${MAX_EXTENT}`, value);
  };
  const blocks = size("block_count");
  if (blocks > MAX_LAYERS) refuse(metadata, key("block_count"), `at most ${MAX_LAYERS}`, blocks);
  const mtpLayers = metadata.optionalCount(key("nextn_predict_layers")) ?? 0;
  if (mtpLayers >= blocks) refuse(metadata, key("nextn_predict_layers"), `less than block_count = ${blocks}`, mtpLayers);
  const L = blocks - mtpLayers;
  const E = size("embedding_length");
  const H = perLayer(metadata, key("attention.head_count"));
  const G = metadata.has(key("attention.head_count_kv")) ? perLayer(metadata, key("attention.head_count_kv")) : H;
  if (H % G !== 0) refuse(metadata, key("attention.head_count_kv"), `a divisor of head_count = ${H}`, G);
  const D = size("attention.key_length", Math.floor(E / H));
  const valueLength = size("attention.value_length", D);
  if (valueLength !== D) refuse(metadata, key("attention.value_length"), `key_length = ${D}`, valueLength);
  const Hv = size("ssm.time_step_rank");
  const Hk = size("ssm.group_count");
  if (Hv % Hk !== 0) refuse(metadata, key("ssm.time_step_rank"), `a multiple of ssm.group_count = ${Hk}`, Hv);
  const Dk = size("ssm.state_size");
  const inner = size("ssm.inner_size");
  if (inner % Hv !== 0) refuse(metadata, key("ssm.inner_size"), `a multiple of ssm.time_step_rank = ${Hv}`, inner);
  const Dv = inner / Hv;
  const X = metadata.optionalCount(key("expert_count")) ?? 0;
  if (X > MAX_EXTENT) refuse(metadata, key("expert_count"), `at most ${MAX_EXTENT}`, X);
  const U = X > 0 ? size("expert_used_count") : 0;
  if (U > X) refuse(metadata, key("expert_used_count"), `at most expert_count = ${X}`, U);
  const eps = metadata.getNumber(key("attention.layer_norm_rms_epsilon"));
  if (!(eps >= 0 && eps < 1)) refuse(metadata, key("attention.layer_norm_rms_epsilon"), "from 0 to below 1", eps);
  const F = X > 0 ? (metadata.optionalCount(key("feed_forward_length")) ?? 0) : size("feed_forward_length");
  const expertF = X > 0 ? size("expert_feed_forward_length", Math.floor(F / U)) : 0;
  return {
    ...{ architecture, E, V, L, mtpLayers, H, G, D, F, X, U, expertF, Hk, Hv, Dk, Dv },
    sharedF: X > 0 ? size("expert_shared_feed_forward_length", expertF) : 0,
    C: 2 * Hk * Dk + Hv * Dv,
    K: size("ssm.conv_kernel"),
    eps,
    rope: readRope(metadata, key, D),
    trainedContext: size("context_length"),
    recurrent: readRecurrent(metadata, key, L),
  };
}

/** No extent of a real model comes near; a product of two must stay an exact integer. */
const MAX_EXTENT = 2 ** 24;
/** Qwen3.5-397B has 60; a graph is built for every layer before a tensor is looked for. */
const MAX_LAYERS = 1024;

/** A number, or an array that says the same for every attention layer (0 for recurrent ones). */
function perLayer(metadata: Metadata, key: string): number {
  const scalar = metadata.get(key);
  if (typeof scalar !== "object") {
    const value = metadata.getCount(key);
    return value >= 1 && value <= MAX_EXTENT ? value : refuse(metadata, key, value < 1 ? "at least 1" : `at most ${MAX_EXTENT}`, value);
  }
  const values = new Set([...metadata.getNumbers(key)].filter((value) => value > 0));
  if (values.size !== 1) refuse(metadata, key, "the same for every attention layer", `[${[...values].slice(0, 8).join(", ")}]`);
  return [...values][0]!;
}

function readRope(metadata: Metadata, key: (name: string) => string, D: number): RopeConfig {
  const dimensions = metadata.optionalCount(key("rope.dimension_count")) ?? D;
  if (dimensions < 2 || dimensions % 2 !== 0 || dimensions > D)
    refuse(metadata, key("rope.dimension_count"), `even, 2 to key_length = ${D}`, dimensions);
  const freqBase = metadata.optionalNumber(key("rope.freq_base")) ?? 10000;
  if (!(freqBase > 0) || freqBase === Number.POSITIVE_INFINITY) refuse(metadata, key("rope.freq_base"), "above 0 and finite", freqBase);
  const scaling = metadata.optionalString(key("rope.scaling.type")) ?? "none";
  if (scaling !== "none" && scaling !== "linear") refuse(metadata, key("rope.scaling.type"), "none or linear", scaling);
  const linear = scaling === "linear" ? metadata.optionalNumber(key("rope.scaling.factor")) : undefined;
  const scale = linear ?? metadata.optionalNumber(key("rope.scale_linear")) ?? 1;
  if (!(scale > 0)) refuse(metadata, key("rope.scaling.factor"), "above 0", scale);
  const sections = metadata.optionalNumbers(key("rope.dimension_sections"));
  if (sections && sections.length !== 4) refuse(metadata, key("rope.dimension_sections"), "4 numbers", sections.length);
  if (sections && !(sections.every((pairs) => pairs >= 0) && sections.some((pairs) => pairs > 0))) {
    refuse(metadata, key("rope.dimension_sections"), "from 0 up and not all 0", `[${sections.join(", ")}]`);
  }
  return { dimensions, freqBase, scale, sections: sections && [...sections] };
}

/** attention.recurrent_layers where the file has it, else every layer but each full_attention_interval-th (default 4). */
function readRecurrent(metadata: Metadata, key: (name: string) => string, L: number): boolean[] {
  const listed = metadata.get(key("attention.recurrent_layers"));
  if (listed !== undefined) {
    const flags = Array.isArray(listed)
      ? metadata.getBooleans(key("attention.recurrent_layers"))
      : [...metadata.getNumbers(key("attention.recurrent_layers"))];
    if (flags.length < L) refuse(metadata, key("attention.recurrent_layers"), `${L} entries`, flags.length);
    return Array.from({ length: L }, (_, i) => Boolean(flags[i]));
  }
  const interval = metadata.optionalCount(key("full_attention_interval")) ?? 4;
  if (interval < 1) refuse(metadata, key("full_attention_interval"), "at least 1", interval);
  return Array.from({ length: L }, (_, i) => (i + 1) % interval !== 0);
}
