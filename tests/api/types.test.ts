import type OpenAI from "openai";
import { describe, expectTypeOf, it } from "vitest";
import type * as Ours from "../../ts/api/completion-types.ts";
import type * as Chat from "../../ts/api/types.ts";

type Theirs = OpenAI.Chat.ChatCompletionCreateParamsNonStreaming;

/** `tsc --noEmit` holds these; at run time they are empty. Ours has `model` optional, theirs not. */
describe("types", () => {
  it("takes requests written for openai", () => {
    expectTypeOf<OpenAI.Chat.ChatCompletionMessageParam>().toExtend<Chat.ChatMessageParam>();
    expectTypeOf<Theirs>().toExtend<Chat.ChatCompletionParamsNonStreaming>();
    expectTypeOf<OpenAI.Chat.ChatCompletionCreateParamsStreaming>().toExtend<Chat.ChatCompletionParamsStreaming>();
    expectTypeOf<OpenAI.CompletionCreateParams>().toExtend<Ours.CompletionParams>();
    expectTypeOf<OpenAI.EmbeddingCreateParams>().toExtend<Ours.EmbeddingParams>();
  });

  it("makes requests that openai takes", () => {
    expectTypeOf<Chat.ChatMessageParam>().toExtend<OpenAI.Chat.ChatCompletionMessageParam>();
    expectTypeOf<Chat.ChatCompletionParamsNonStreaming & { model: string }>().toExtend<Theirs>();
    expectTypeOf<Chat.ChatCompletionParamsStreaming & { model: string }>().toExtend<OpenAI.Chat.ChatCompletionCreateParamsStreaming>();
    expectTypeOf<Ours.CompletionParamsNonStreaming & { model: string; prompt: string }>().toExtend<OpenAI.CompletionCreateParams>();
    expectTypeOf<Ours.EmbeddingParams & { model: string }>().toExtend<OpenAI.EmbeddingCreateParams>();
  });

  it("gives answers that openai gives", () => {
    expectTypeOf<Chat.ChatCompletion>().toExtend<OpenAI.Chat.ChatCompletion>();
    expectTypeOf<Chat.ChatCompletionChunk>().toExtend<OpenAI.Chat.ChatCompletionChunk>();
    expectTypeOf<Ours.Completion>().toExtend<OpenAI.Completion>();
    expectTypeOf<Ours.EmbeddingResponse>().toExtend<OpenAI.CreateEmbeddingResponse>();
  });

  it("takes answers of openai's for its own", () => {
    expectTypeOf<OpenAI.Chat.ChatCompletion>().toExtend<Chat.ChatCompletion>();
    expectTypeOf<OpenAI.Chat.ChatCompletionChunk>().toExtend<Chat.ChatCompletionChunk>();
    expectTypeOf<OpenAI.Completion>().toExtend<Ours.Completion>();
    expectTypeOf<OpenAI.CreateEmbeddingResponse>().toExtend<Ours.EmbeddingResponse>();
  });
});
