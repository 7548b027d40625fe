import type { ChatCompletions } from "./chat.ts";
import type { Completions } from "./completions.ts";
import type { Embeddings } from "./embeddings.ts";

/** What a loaded model, a server elsewhere (`connect`) and one behind the other (`withFallback`) can all do. */
export interface OpenAiApi {
  readonly chat: { readonly completions: Pick<ChatCompletions, "create"> };
  readonly completions: Pick<Completions, "create">;
  readonly embeddings: Pick<Embeddings, "create">;
}
