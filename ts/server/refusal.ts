import { type OpenAiError, openAiError } from "../api/api-error.ts";

/** A request that is answered with an error of HTTP's own: no key, too large a body, no such path. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly answer: OpenAiError;

  constructor(status: number, code: string, message: string, param: string | null = null) {
    super(message);
    const type = status >= 500 ? "server_error" : "invalid_request_error";
    this.answer = { status, error: { message, type, param, code } };
  }
}

/** What a client is told of an error. */
export function answerOf(error: unknown): OpenAiError {
  return error instanceof Refusal ? error.answer : openAiError(error);
}

/** An error as a response; clients that may come again are told when. */
export function errorResponse(error: unknown): Response {
  const { status, error: body } = answerOf(error);
  const later = status === 429 || status === 503;
  return Response.json({ error: body }, { status, headers: later ? { "retry-after": "1" } : {} });
}
