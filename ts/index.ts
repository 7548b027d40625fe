/** Tandem: GGUF models of the Qwen3-Next family in JavaScript. `loadModel` is the way in. */
export { measureGpuBandwidth } from "./backends/webgpu/bandwidth.ts";
export { type Capabilities, type Capability, capabilities } from "./capabilities.ts";
export { type CacheType, Context, type ContextOptions } from "./engine/context.ts";
export type { ContextBytes } from "./engine/executor.ts";
export { type GenerateOptions, generate, type Piece } from "./engine/generate.ts";
export { type LoadOptions, loadModel, Model } from "./engine/model.ts";
export { Sampler, type SamplerOptions, type TokenProbability } from "./engine/sampler.ts";
export type { DecodeRequest } from "./engine/ubatch.ts";
export type { LoadProgress } from "./engine/upload.ts";
export * from "./errors.ts";
export { GgufFile, type GgufTensor, openGguf } from "./io/gguf.ts";
export { type GgufArray, type GgufField, type GgufScalar, type GgufValue, Metadata } from "./io/metadata.ts";
export type { SourceInput } from "./io/open-source.ts";
export type { ReadOptions, Source } from "./io/source.ts";
export type { Config, RopeConfig } from "./models/config.ts";
export { type ChatMessage, ChatTemplate, type ChatTemplateInput, type ChatToolCall } from "./text/chat-template.ts";
export type { StreamDecoder } from "./text/stream-decoder.ts";
export { type EncodeOptions, Tokenizer } from "./text/tokenizer.ts";
