import type { EventEmitter } from "node:events";
import { describe, expectTypeOf, it } from "vitest";
import type * as T from "../../ts/index.ts";

/** `tsc --noEmit` holds these; at run time they are empty. exports.test.ts sees to it that no export is missing here. */
describe("types of the package in Node and Deno", () => {
  it("loads models", () => {
    expectTypeOf<typeof T.loadModel>().parameter(0).toEqualTypeOf<T.SourceInput | readonly T.SourceInput[]>();
    expectTypeOf<typeof T.loadModel>().parameter(1).toEqualTypeOf<T.LoadOptions | undefined>();
    expectTypeOf<typeof T.loadModel>().returns.resolves.toEqualTypeOf<T.Model>();
    expectTypeOf<T.LoadOptions["gpuLayers"]>().toEqualTypeOf<number | "auto" | undefined>();
    expectTypeOf<T.LoadOptions["download"]>().toEqualTypeOf<T.DownloadOptions | undefined>();
    expectTypeOf<T.LoadOptions["queue"]>().toEqualTypeOf<T.QueueOptions | undefined>();
    expectTypeOf<T.LoadProgress>().toEqualTypeOf<T.DownloadProgress | T.UploadProgress>();
    expectTypeOf<T.UploadProgress["phase"]>().toEqualTypeOf<"load">();
    expectTypeOf<T.DownloadProgress["secondsLeft"]>().toEqualTypeOf<number | undefined>();
    expectTypeOf<T.ThreadOptions["build"]>().toEqualTypeOf<"simd" | "relaxed" | undefined>();
    expectTypeOf<T.Model>().toHaveProperty(Symbol.dispose);
    expectTypeOf<T.Model["config"]>().toEqualTypeOf<T.Config>();
    expectTypeOf<T.Config["rope"]>().toEqualTypeOf<T.RopeConfig>();
    expectTypeOf<T.ChatPromptParams>().toExtend<Parameters<T.Model["applyChatTemplate"]>[0]>();
  });

  it("opens files and keeps downloads", () => {
    expectTypeOf<string | URL | Blob | Uint8Array | T.Source>().toEqualTypeOf<T.SourceInput>();
    expectTypeOf<T.Source["read"]>().parameter(2).toEqualTypeOf<T.ReadOptions | undefined>();
    expectTypeOf<typeof T.openGguf>().parameter(1).toEqualTypeOf<T.OpenOptions | undefined>();
    expectTypeOf<typeof T.openGguf>().returns.resolves.toEqualTypeOf<T.GgufFile>();
    expectTypeOf<T.GgufFile["tensors"]>().toEqualTypeOf<ReadonlyMap<string, T.GgufTensor>>();
    expectTypeOf<T.GgufFile["metadata"]>().toEqualTypeOf<T.Metadata>();
    expectTypeOf<T.Metadata["fields"]>().toEqualTypeOf<ReadonlyMap<string, T.GgufField>>();
    expectTypeOf<T.GgufField["value"]>().toEqualTypeOf<T.GgufValue>();
    expectTypeOf<T.GgufValue>().toEqualTypeOf<T.GgufScalar | T.GgufArray>();
    expectTypeOf<typeof T.openModelCache>().parameter(0).toEqualTypeOf<T.CacheOptions | undefined>();
    expectTypeOf<typeof T.openModelCache>().returns.resolves.toEqualTypeOf<T.ModelCache>();
    expectTypeOf<T.ModelCache["list"]>().returns.resolves.toEqualTypeOf<T.CachedModel[]>();
  });

  it("decodes and generates", () => {
    expectTypeOf<T.Model["createContext"]>().parameter(0).toEqualTypeOf<T.ContextOptions | undefined>();
    expectTypeOf<T.Model["createContext"]>().returns.resolves.toEqualTypeOf<T.Context>();
    expectTypeOf<T.ContextOptions["cacheTypeK"]>().toEqualTypeOf<T.CacheType | undefined>();
    expectTypeOf<T.Context["bytes"]>().toEqualTypeOf<T.ContextBytes>();
    expectTypeOf<T.DecodeRequest>().toExtend<Parameters<T.Context["decode"]>[0]>();
    expectTypeOf<typeof T.generate>().parameter(3).toEqualTypeOf<T.GenerateOptions | undefined>();
    expectTypeOf<typeof T.generate>().returns.toEqualTypeOf<AsyncGenerator<T.Piece, void, undefined>>();
    expectTypeOf<T.GenerateOptions>().toExtend<T.SamplerOptions>();
    expectTypeOf<typeof T.Sampler>().toBeConstructibleWith({ temperature: 0.7 } satisfies T.SamplerOptions, 100);
    expectTypeOf<T.TokenProbability>().toEqualTypeOf<{ token: number; probability: number }>();
    expectTypeOf<typeof T.Tokenizer>().toBeConstructibleWith({} as T.Metadata);
    expectTypeOf<T.Tokenizer["encode"]>().parameter(1).toEqualTypeOf<T.EncodeOptions | undefined>();
    expectTypeOf<T.Tokenizer["decoder"]>().returns.toEqualTypeOf<T.StreamDecoder>();
    expectTypeOf<typeof T.ChatTemplate.fromMetadata>().returns.toEqualTypeOf<T.ChatTemplate>();
    expectTypeOf<T.ChatTemplate["render"]>().parameter(0).toEqualTypeOf<T.ChatTemplateInput>();
    expectTypeOf<T.ChatTemplateInput["messages"]>().toEqualTypeOf<readonly T.ChatMessage[]>();
    expectTypeOf<T.ChatToolCall[]>().toExtend<NonNullable<T.ChatMessage["tool_calls"]>>();
  });

  it("answers requests in OpenAI's shapes", () => {
    const chat = {} as T.ChatCompletions;
    expectTypeOf(() => chat.create({} as T.ChatCompletionParamsNonStreaming)).returns.resolves.toEqualTypeOf<T.ChatCompletion>();
    expectTypeOf(() => chat.create({} as T.ChatCompletionParamsStreaming)).returns.resolves.toEqualTypeOf<
      AsyncIterable<T.ChatCompletionChunk>
    >();
    expectTypeOf<T.ChatCompletions["create"]>().parameter(1).toEqualTypeOf<T.RequestOptions | undefined>();
    expectTypeOf<T.ChatCompletionParams>().toExtend<T.SamplingParams>();
    expectTypeOf<T.ChatCompletionParams["messages"]>().toEqualTypeOf<T.ChatMessageParam[]>();
    expectTypeOf<T.AssistantMessageParam>().toExtend<T.ChatMessageParam>();
    expectTypeOf<T.ContentPart>().toEqualTypeOf<T.TextPart | T.MediaPart>();
    expectTypeOf<T.RefusalPart["type"]>().toEqualTypeOf<"refusal">();
    expectTypeOf<T.ToolCall>().toEqualTypeOf<T.FunctionToolCall | T.CustomToolCall>();
    expectTypeOf<T.ChatCompletionParams["tools"]>().toEqualTypeOf<(T.FunctionTool | T.CustomTool)[] | undefined>();
    expectTypeOf<T.ChatCompletionParams["tool_choice"]>().toEqualTypeOf<T.ToolChoice | undefined>();
    expectTypeOf<T.ChatCompletionParams["response_format"]>().toEqualTypeOf<T.ResponseFormat | undefined>();
    expectTypeOf<T.ChatCompletion["choices"]>().toEqualTypeOf<T.ChatChoice[]>();
    expectTypeOf<T.ChatChoice["message"]>().toEqualTypeOf<T.AssistantMessage>();
    expectTypeOf<T.ChatChoice["finish_reason"]>().toEqualTypeOf<T.FinishReason>();
    expectTypeOf<T.ChatChoice["logprobs"]>().toEqualTypeOf<T.ChoiceLogprobs | null>();
    expectTypeOf<T.ChoiceLogprobs["content"]>().toEqualTypeOf<T.TokenLogprob[] | null>();
    expectTypeOf<T.TokenLogprob["top_logprobs"]>().toEqualTypeOf<T.TopLogprob[]>();
    expectTypeOf<T.ChatCompletion["usage"]>().toEqualTypeOf<T.Usage | undefined>();
    expectTypeOf<T.ChatCompletionChunk["choices"]>().toEqualTypeOf<T.ChunkChoice[]>();
    expectTypeOf<T.ChunkChoice["delta"]>().toEqualTypeOf<T.ChatDelta>();
    expectTypeOf<T.ChatDelta["tool_calls"]>().toEqualTypeOf<T.ToolCallDelta[] | undefined>();
    expectTypeOf<typeof T.openAiError>().toEqualTypeOf<(error: unknown) => T.OpenAiError>();
  });

  it("completes and embeds", () => {
    const completions = {} as T.Completions;
    expectTypeOf(() => completions.create({} as T.CompletionParamsNonStreaming)).returns.resolves.toEqualTypeOf<T.Completion>();
    expectTypeOf(() => completions.create({} as T.CompletionParamsStreaming)).returns.resolves.toEqualTypeOf<AsyncIterable<T.Completion>>();
    expectTypeOf<T.CompletionParams>().toExtend<T.SamplingParams>();
    expectTypeOf<T.Completion["choices"]>().toEqualTypeOf<T.CompletionChoice[]>();
    expectTypeOf<T.CompletionChoice["logprobs"]>().toEqualTypeOf<T.CompletionLogprobs | null>();
    const embeddings = {} as T.Embeddings;
    expectTypeOf(() => embeddings.create({ input: "x" })).returns.resolves.toEqualTypeOf<T.EmbeddingResponse>();
    expectTypeOf(() => embeddings.create({ input: "x", encoding_format: "base64" })).returns.resolves.toEqualTypeOf<
      T.EmbeddingResponse<string>
    >();
    expectTypeOf<T.EmbeddingParams["pooling"]>().toEqualTypeOf<"mean" | "last" | undefined>();
  });

  it("queues", () => {
    expectTypeOf<T.Model["queue"]>().returns.resolves.toEqualTypeOf<T.GenerationQueue>();
    expectTypeOf<T.GenerationQueue>().toExtend<T.Generator>();
    expectTypeOf<T.GenerationQueue["generate"]>().parameter(0).toEqualTypeOf<T.GenerationRequest>();
    expectTypeOf<T.GenerationQueue["generate"]>().returns.toEqualTypeOf<T.Generation>();
    expectTypeOf<T.GenerationQueue["stats"]>().toEqualTypeOf<T.QueueStats>();
    expectTypeOf<T.Generation>().toExtend<AsyncGenerator<T.GeneratedToken, void, undefined>>();
    expectTypeOf<T.Generation["usage"]>().toEqualTypeOf<T.GenerationUsage>();
    expectTypeOf<T.GenerationRequest["onPrompt"]>().toEqualTypeOf<((progress: T.PromptProgress) => void) | undefined>();
  });

  it("measures", () => {
    expectTypeOf<typeof T.bench>().parameter(2).toEqualTypeOf<T.BenchOptions>();
    expectTypeOf<typeof T.bench>().returns.toExtend<AsyncIterable<T.BenchResult>>();
    expectTypeOf<T.BenchOptions["tests"]>().toEqualTypeOf<readonly T.BenchTest[]>();
    expectTypeOf<T.BenchOptions>().toExtend<T.TimingOptions>();
    expectTypeOf<T.BenchResult>().toExtend<T.Statistics>();
    expectTypeOf<typeof T.statistics>().toEqualTypeOf<(values: readonly number[]) => T.Statistics>();
    expectTypeOf<T.Context>().toExtend<T.MeasuredContext>();
    expectTypeOf<typeof T.roofSpeed>().parameter(1).toEqualTypeOf<T.Bandwidth>();
    expectTypeOf<typeof T.sweep>().parameter(2).toEqualTypeOf<T.SweepOptions | undefined>();
    expectTypeOf<typeof T.sweep>().returns.toExtend<AsyncIterable<T.SweepRow>>();
    expectTypeOf<typeof T.sweepRows>().returns.toBeNumber();
    expectTypeOf<typeof T.drawSweep>().toEqualTypeOf<(rows: readonly T.SweepRow[], title: T.SweepTitle) => string>();
    expectTypeOf<typeof T.SWEEP_HEAD>().toBeString();
    expectTypeOf<typeof T.sweepLine>().toEqualTypeOf<(row: T.SweepRow) => string>();
    expectTypeOf<typeof T.sweepCsv>().toEqualTypeOf<(rows: readonly T.SweepRow[]) => string>();
    expectTypeOf<typeof T.sweepRecord>().toEqualTypeOf<(row: T.SweepRow) => Readonly<Record<string, number>>>();
    expectTypeOf<typeof T.measureCpuBandwidth>().returns.resolves.toExtend<{ bytesPerSecond: number }>();
    expectTypeOf<typeof T.measureGpuBandwidth>().returns.resolves.toExtend<{ bytesPerSecond: number }>();
    expectTypeOf<typeof T.capabilities>().returns.resolves.toEqualTypeOf<T.Capabilities>();
    expectTypeOf<T.Capabilities["simd"]>().toEqualTypeOf<T.Capability>();
  });

  it("profiles", () => {
    expectTypeOf<typeof T.printProfile>().toEqualTypeOf<(profile: T.Profile) => string>();
    expectTypeOf<typeof T.chromeTrace>().toEqualTypeOf<(profile: T.Profile) => string>();
    expectTypeOf<T.Profile["phases"]>().toEqualTypeOf<readonly T.PhaseProfile[]>();
    expectTypeOf<T.Profile["kindOf"]>().toEqualTypeOf<T.KindOf>();
    expectTypeOf<T.KindOf>().returns.toEqualTypeOf<T.LayerKind>();
    expectTypeOf<T.PhaseProfile["phase"]>().toEqualTypeOf<T.Phase>();
    expectTypeOf<T.PhaseProfile["rows"]>().toEqualTypeOf<readonly T.ProfileRow[]>();
    expectTypeOf<T.Profile["runs"]>().toEqualTypeOf<readonly T.Run[]>();
    expectTypeOf<T.Run["laps"]>().toEqualTypeOf<readonly T.Lap[]>();
    expectTypeOf<T.Lap["kind"]>().toEqualTypeOf<T.LapKind>();
    expectTypeOf<T.Run["timelines"]>().toEqualTypeOf<readonly T.Timeline[]>();
    expectTypeOf<T.Timeline["steps"]>().toEqualTypeOf<readonly T.Step[]>();
  });

  it("asks other machines through the same interface", () => {
    expectTypeOf<typeof T.connect>().toEqualTypeOf<(options: T.ConnectOptions) => T.OpenAiApi>();
    expectTypeOf<typeof T.beyondThisMachine>().toEqualTypeOf<T.FallbackRule>();
    expectTypeOf<typeof T.withFallback>().parameter(2).toEqualTypeOf<T.FallbackRule | undefined>();
    expectTypeOf<T.Model>().toExtend<T.OpenAiApi>();
  });

  it("serves a model to pages, through any kind of port", () => {
    expectTypeOf<typeof T.servePort>().toEqualTypeOf<(port: T.PortLike, model: T.Model | Promise<T.Model>) => () => void>();
    expectTypeOf<MessagePort>().toExtend<T.PortLike>();
    expectTypeOf<import("node:worker_threads").MessagePort>().toExtend<T.PortLike>();
    // Electron's MessagePortMain; examples/electron is checked against its own types.
    expectTypeOf<EventEmitter & Pick<MessagePort, "start" | "close"> & { postMessage(message: unknown): void }>().toExtend<T.PortLike>();
    expectTypeOf<{ postMessage(message: unknown): void }>().not.toExtend<T.PortLike>();
  });

  it("tells of paged experts and of the largest logits", () => {
    expectTypeOf<T.Model["expertStats"]>().toEqualTypeOf<T.ExpertStats | undefined>();
    expectTypeOf<T.Context["decodeTop"]>().returns.resolves.toEqualTypeOf<T.TopLogits[]>();
  });

  it("plans with a header", () => {
    expectTypeOf<typeof T.readModelHeader>().returns.resolves.toEqualTypeOf<T.ModelHeader>();
    expectTypeOf<T.ModelHeader["explain"]>().toEqualTypeOf<(options?: T.ExplainOptions) => T.Explanation>();
    expectTypeOf<T.Explanation["report"]>().toEqualTypeOf<T.ScheduleReport>();
    expectTypeOf<typeof T.drawSchedule>().parameter(0).toEqualTypeOf<T.ScheduleReport>();
    expectTypeOf<T.ScheduleReport["decode"]>().toEqualTypeOf<T.RunReport>();
    expectTypeOf<T.ScheduleReport["splits"]>().toEqualTypeOf<readonly T.SplitReport[]>();
    expectTypeOf<T.ScheduleReport["crossings"]>().toEqualTypeOf<readonly T.CrossingReport[]>();
    expectTypeOf<T.ScheduleReport["memory"]>().toEqualTypeOf<readonly T.MemoryReport[]>();
  });

  it("throws errors with codes", () => {
    expectTypeOf<T.TandemError["code"]>().toEqualTypeOf<T.ErrorCode>();
    expectTypeOf<
      | T.InvalidArgumentError
      | T.GgufError
      | T.UnsupportedModelError
      | T.UnsupportedFormatError
      | T.ShapeError
      | T.ContextOverflowError
      | T.OutOfMemoryError
      | T.CapabilityError
      | T.BackendError
      | T.DeviceLostError
      | T.DisposedError
      | T.SessionError
      | T.QueueFullError
      | T.IntegrityError
    >().toExtend<T.TandemError>();
    expectTypeOf<T.SplitBudgetError["needed"]>().toBeNumber();
    expectTypeOf<T.NetworkError["status"]>().toEqualTypeOf<number | undefined>();
    expectTypeOf<T.QuotaError["neededBytes"]>().toBeNumber();
    expectTypeOf<T.UnsupportedSchemaError["path"]>().toBeString();
  });
});
