import { ContextOverflowError, InvalidArgumentError, NetworkError, QueueFullError, type TandemError } from "../errors.ts";

/** What servers say where a prompt is too long: OpenAI, Tandem; llama-server; vLLM and SGLang. */
const TOO_LONG = /context_length_exceeded|exceed_context_size|maximum context length|longer than the model's context/i;

/** A server's refusal as a typed error. @param body What it sent: an error in OpenAI's shape, or anything. */
export function remoteError(from: string, status: number, body: string): TandemError {
  const message = `${from} answered ${status}: ${messageOf(body)}`;
  if ((status === 400 || status === 413) && TOO_LONG.test(body)) return new ContextOverflowError(message);
  if (status === 429) return new QueueFullError(message);
  if ([400, 404, 405, 413, 415, 422].includes(status)) return new InvalidArgumentError(message);
  return new NetworkError(message, status);
}

/** The error within a stream, where there is no status any more; undefined for an ordinary chunk. */
export function streamError(from: string, chunk: unknown): TandemError | undefined {
  const { error } = chunk as { error?: { code?: unknown } };
  if (error === undefined || error === null) return undefined;
  const status = error.code === "queue_full" ? 429 : typeof error.code === "number" ? error.code : 500;
  return remoteError(from, status, JSON.stringify(chunk));
}

function messageOf(body: string): string {
  try {
    const { error, message } = JSON.parse(body) as { error?: { message?: unknown } | string; message?: unknown };
    const said = typeof error === "object" ? error?.message : (error ?? message);
    if (typeof said === "string") return said;
  } catch {
    // A proxy's page.
  }
  return body.slice(0, 200) || "no reason was given";
}
