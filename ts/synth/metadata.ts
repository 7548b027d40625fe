import { field } from "../io/gguf-writer.ts";
import type { GgufField } from "../io/metadata.ts";
import type { Sizes } from "./options.ts";
import { ATTENTION_INTERVAL, CONV_TAPS } from "./presets.ts";
import { FILE_TYPES } from "./quants.ts";
import { CHAT_TEMPLATE, syntheticVocabulary } from "./vocabulary.ts";

type Entry = readonly [key: string, value: GgufField];

/** The keys of a file, as llama.cpp's converter writes them. */
export function metadataOf(sizes: Sizes): Entry[] {
  return [...generalKeys(sizes), ...architectureKeys(sizes), ...tokenizerKeys(sizes)];
}

function generalKeys({ architecture, preset, quant, seed }: Sizes): Entry[] {
  const fileType = FILE_TYPES[quant];
  return [
    ["general.architecture", field.string(architecture)],
    ["general.type", field.string("model")],
    ["general.name", field.string(`${preset} synthetic (random weights, seed ${seed})`)],
    ["general.description", field.string("Random weights for tests and measurements: what it says means nothing.")],
    ...(fileType === undefined ? [] : [["general.file_type", field.u32(fileType)] as const]),
    ["general.quantization_version", field.u32(2)],
  ];
}

function architectureKeys(sizes: Sizes): Entry[] {
  const { architecture, L, mtp, E, F, H, G, D, X, U, expertF, sharedF, Hk, Hv, Dk, Dv, rotated, sections } = sizes;
  const keys: Entry[] = [
    ["block_count", field.u32(L + (mtp ? 1 : 0))],
    ["context_length", field.u32(262_144)],
    ["embedding_length", field.u32(E)],
    ["attention.head_count", field.u32(H)],
    ["attention.head_count_kv", field.u32(G)],
    ["attention.key_length", field.u32(D)],
    ["attention.value_length", field.u32(D)],
    ["attention.layer_norm_rms_epsilon", field.f32(1e-6)],
    ["rope.freq_base", field.f32(1e7)],
    ["rope.dimension_count", field.u32(rotated)],
    ["ssm.conv_kernel", field.u32(CONV_TAPS)],
    ["ssm.state_size", field.u32(Dk)],
    ["ssm.group_count", field.u32(Hk)],
    ["ssm.time_step_rank", field.u32(Hv)],
    ["ssm.inner_size", field.u32(Hv * Dv)],
    ["full_attention_interval", field.u32(ATTENTION_INTERVAL)],
  ];
  if (F > 0) keys.push(["feed_forward_length", field.u32(F)]);
  if (sections) keys.push(["rope.dimension_sections", field.i32s(sections)]);
  if (mtp) keys.push(["nextn_predict_layers", field.u32(1)]);
  if (X > 0) {
    keys.push(["expert_count", field.u32(X)], ["expert_used_count", field.u32(U)]);
    keys.push(["expert_feed_forward_length", field.u32(expertF)], ["expert_shared_feed_forward_length", field.u32(sharedF)]);
  }
  return keys.map(([key, value]) => [`${architecture}.${key}`, value]);
}

function tokenizerKeys({ architecture, V }: Sizes): Entry[] {
  const { tokens, types, endOfText, endOfTurn } = syntheticVocabulary(V);
  return [
    ["tokenizer.ggml.model", field.string("gpt2")],
    ["tokenizer.ggml.pre", field.string(architecture === "qwen3next" ? "qwen2" : "qwen35")],
    ["tokenizer.ggml.tokens", field.strings(tokens)],
    ["tokenizer.ggml.token_type", field.i32s(types)],
    ["tokenizer.ggml.merges", field.strings([])],
    ["tokenizer.ggml.eos_token_id", field.u32(endOfTurn)],
    ["tokenizer.ggml.padding_token_id", field.u32(endOfText)],
    ["tokenizer.ggml.add_bos_token", field.bool(false)],
    ["tokenizer.chat_template", field.string(CHAT_TEMPLATE)],
  ];
}
