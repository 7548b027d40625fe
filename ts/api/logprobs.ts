import type { Tokenizer } from "../text/tokenizer.ts";
import type { GeneratedToken } from "./generator.ts";
import type { TokenLogprob, TopLogprob } from "./types.ts";

/** A token's logprob in OpenAI's form; undefined where none was asked for. */
export function tokenLogprob(tokenizer: Tokenizer, generated: GeneratedToken): TokenLogprob | undefined {
  if (generated.logprob === undefined) return undefined;
  const entry = (token: number, logprob: number): TopLogprob => ({
    token: tokenizer.decode([token], { special: true }),
    bytes: [...tokenizer.tokenBytes(token)],
    // JSON has no -Infinity: OpenAI's word for "practically never".
    logprob: Math.max(logprob, -9999),
  });
  const top = (generated.top ?? []).map(({ token, probability }) => entry(token, Math.log(probability)));
  return { ...entry(generated.token, generated.logprob), top_logprobs: top };
}
