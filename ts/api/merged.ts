import type { GenerationRequest } from "./generator.ts";

/**
 * Runs the requests at once and yields what each makes, as it comes. When one fails, or the caller leaves, the others are ended.
 * @param run Makes the output of a request; the signal ends it.
 */
export async function* merged<T>(
  requests: readonly GenerationRequest[],
  run: (request: GenerationRequest, index: number, signal: AbortSignal | undefined) => AsyncGenerator<T, void, undefined>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T, void, undefined> {
  if (requests.length === 1) {
    yield* run(requests[0]!, 0, signal);
    return;
  }
  const ending = new AbortController();
  const forward = () => ending.abort(signal?.reason);
  signal?.addEventListener("abort", forward);
  if (signal?.aborted) forward();
  const sources = requests.map((request, i) => run(request, i, ending.signal));
  const next = async (source: (typeof sources)[number]) => ({ source, result: await source.next() });
  const waiting = new Map(sources.map((source) => [source, next(source)]));
  try {
    while (waiting.size > 0) {
      const { source, result } = await Promise.race(waiting.values());
      if (result.done) waiting.delete(source);
      else {
        waiting.set(source, next(source));
        yield result.value;
      }
    }
  } finally {
    signal?.removeEventListener("abort", forward);
    ending.abort();
    await Promise.allSettled([...waiting.values(), ...sources.map((source) => source.return())]);
  }
}
