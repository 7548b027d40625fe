import type { OpenAiApi } from "../api/openai-api.ts";
import { type ErrorCode, TandemError } from "../errors.ts";

/** Whether a request that failed here with this error is to be asked elsewhere. */
export type FallbackRule = (error: unknown) => boolean;

/** Too large to load, too long for the context, gone with the GPU; or a machine that cannot run it at all. */
const BEYOND_THIS_MACHINE: readonly ErrorCode[] = ["out_of_memory", "quota", "capability", "unsupported_model", "unsupported_format"];
const BEYOND_THIS_MODEL: readonly ErrorCode[] = ["context_overflow", "device_lost"];

/** The default: what another machine may be able to do. */
export const beyondThisMachine: FallbackRule = (error) =>
  error instanceof TandemError && [...BEYOND_THIS_MACHINE, ...BEYOND_THIS_MODEL].includes(error.code);

/**
 * Asks `local`, and `remote` for what fails locally by the rule. Parameters go to both as they are, but for `model`: there it is the
 * remote's own. A stream goes elsewhere only before its first chunk: afterwards its error is the caller's.
 *
 * @param local A model, or what loads one: called at the first request, and again after a failure that is not of the rule.
 */
export function withFallback(
  local: OpenAiApi | (() => Promise<OpenAiApi>),
  remote: OpenAiApi,
  rule: FallbackRule = beyondThisMachine,
): OpenAiApi {
  const load = typeof local === "function" ? once(local, rule) : () => Promise.resolve(local);
  /** The same method of either side; overloads are told by what they are given, so the casts below keep them. */
  const either =
    (create: (api: OpenAiApi) => (params: object, options?: object) => Promise<unknown>) =>
    async (params: object, options?: object): Promise<unknown> => {
      const elsewhere = () => create(remote)({ ...params, model: undefined }, options);
      try {
        const answer = await create(await load())(params, options);
        return isStream(answer) ? await begun(answer) : answer;
      } catch (error) {
        if (!rule(error)) throw error;
        return elsewhere();
      }
    };
  type Create = (params: object, options?: object) => Promise<unknown>;
  return {
    chat: {
      completions: { create: either(({ chat }) => chat.completions.create.bind(chat.completions) as Create) as Create },
    } as OpenAiApi["chat"],
    completions: { create: either(({ completions }) => completions.create.bind(completions) as Create) } as OpenAiApi["completions"],
    embeddings: { create: either(({ embeddings }) => embeddings.create.bind(embeddings) as Create) } as OpenAiApi["embeddings"],
  };
}

/** Loads once; a failure of the rule is kept, for the next request would wait for the same. */
function once(load: () => Promise<OpenAiApi>, rule: FallbackRule): () => Promise<OpenAiApi> {
  let loading: Promise<OpenAiApi> | undefined;
  return async () => {
    loading ??= load();
    try {
      return await loading;
    } catch (error) {
      if (!rule(error)) loading = undefined;
      throw error;
    }
  };
}

function isStream(answer: unknown): answer is AsyncIterable<unknown> {
  return typeof answer === "object" && answer !== null && Symbol.asyncIterator in answer;
}

/** The same stream, once its first chunk is there. */
async function begun(stream: AsyncIterable<unknown>): Promise<AsyncIterable<unknown>> {
  const iterator = stream[Symbol.asyncIterator]();
  const first = await iterator.next();
  return (async function* () {
    try {
      for (let next = first; !next.done; next = await iterator.next()) yield next.value;
    } finally {
      await iterator.return?.();
    }
  })();
}
