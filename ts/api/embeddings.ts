import type { Context } from "../engine/context.ts";
import type { Model as EngineModel } from "../engine/model.ts";
import { ContextOverflowError, InvalidArgumentError } from "../errors.ts";
import type { EmbeddingParams, EmbeddingResponse } from "./completion-types.ts";
import { tokenPrompts } from "./token-prompts.ts";
import type { RequestOptions } from "./types.ts";

/** Texts' vectors: hidden states after the final norm, pooled and scaled to length 1. */
export class Embeddings {
  readonly #model: EngineModel;

  constructor(model: EngineModel) {
    this.#model = model;
  }

  /** Throws InvalidArgumentError, ContextOverflowError for a text longer than the model was trained for, the signal's reason. */
  create(params: EmbeddingParams & { encoding_format: "base64" }, options?: RequestOptions): Promise<EmbeddingResponse<string>>;
  create(params: EmbeddingParams & { encoding_format?: "float" }, options?: RequestOptions): Promise<EmbeddingResponse>;
  create(params: EmbeddingParams, options?: RequestOptions): Promise<EmbeddingResponse<number[] | string>>;
  async create(params: EmbeddingParams, { signal }: RequestOptions = {}): Promise<EmbeddingResponse<number[] | string>> {
    const { E, trainedContext } = this.#model.config;
    const { pooling = "mean", encoding_format: format = "float", dimensions = E } = params;
    if (pooling !== "mean" && pooling !== "last") throw new InvalidArgumentError(`pooling must be mean or last, got ${pooling}`);
    if (format !== "float" && format !== "base64") throw new InvalidArgumentError(`encoding_format must be float or base64, got ${format}`);
    if (dimensions !== E) throw new InvalidArgumentError(`dimensions must be this model's ${E}, got ${dimensions}`);
    const prompts = tokenPrompts("input", params.input, this.#model.tokenizer);
    const longest = Math.max(...prompts.map((tokens) => tokens.length));
    if (longest > trainedContext) {
      throw new ContextOverflowError(`input: a text of ${longest} tokens, the model was trained for ${trainedContext}: cut it into parts`);
    }
    using context = await this.#model.createContext({ contextLength: longest });
    const data: EmbeddingResponse<number[] | string>["data"] = [];
    for (const [index, tokens] of prompts.entries()) {
      await context.clear();
      const vector = normalized(await pooled(context, tokens, pooling, E, signal));
      data.push({ object: "embedding", index, embedding: format === "base64" ? base64(vector) : [...vector] });
    }
    const read = prompts.reduce((sum, tokens) => sum + tokens.length, 0);
    return { object: "list", data, model: params.model ?? this.#model.name, usage: { prompt_tokens: read, total_tokens: read } };
  }
}

/** Mean or last of the hidden states, f32[E]. Only rows whose logits are wanted have one, so all are asked for, as many as run at once. */
async function pooled(
  context: Context,
  tokens: readonly number[],
  pooling: "mean" | "last",
  E: number,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  if (pooling === "last") {
    await context.decode({ tokens }, { signal });
    return context.readHidden(); // [1, E]
  }
  const sum = new Float32Array(E);
  const step = context.shape.max.O;
  for (let at = 0; at < tokens.length; at += step) {
    const part = tokens.slice(at, at + step);
    await context.decode({ tokens: part, logits: "all" }, { signal });
    const hidden = await context.readHidden(); // [O, E]
    for (let i = 0; i < hidden.length; i++) sum[i % E]! += hidden[i]! / tokens.length;
  }
  return sum;
}

function normalized(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector);
  return length > 0 ? vector.map((value) => value / length) : vector;
}

function base64(vector: Float32Array): string {
  const view = new DataView(new ArrayBuffer(4 * vector.length));
  vector.forEach((value, i) => void view.setFloat32(4 * i, value, true));
  return btoa(Array.from(new Uint8Array(view.buffer), (byte) => String.fromCharCode(byte)).join(""));
}
