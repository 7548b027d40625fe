import { type ErrorCode, TandemError, UnsupportedSchemaError } from "../errors.ts";

/** An error in the shape of OpenAI's API, with the HTTP status that goes with it. */
export interface OpenAiError {
  readonly status: number;
  readonly error: { readonly message: string; readonly type: string; readonly param: string | null; readonly code: string | null };
}

/** Errors that the request is to blame for; all others are the server's. */
const REQUEST_CODES: Partial<Record<ErrorCode, string>> = {
  invalid_argument: "invalid_request",
  context_overflow: "context_length_exceeded",
  unsupported_schema: "unsupported_schema",
};

/** What went wrong, in OpenAI's words. Errors that are not Tandem's tell nothing of the machine: their message stays here. */
export function openAiError(error: unknown): OpenAiError {
  if (!(error instanceof TandemError)) {
    return { status: 500, error: { message: "the server failed to answer", type: "server_error", param: null, code: "internal_error" } };
  }
  const code = REQUEST_CODES[error.code];
  const param = error instanceof UnsupportedSchemaError ? error.path : paramOf(error.message);
  if (code !== undefined) return { status: 400, error: { message: error.message, type: "invalid_request_error", param, code } };
  if (error.code === "queue_full") {
    return { status: 429, error: { message: error.message, type: "rate_limit_error", param: null, code: error.code } };
  }
  return { status: 500, error: { message: error.message, type: "server_error", param: null, code: error.code } };
}

/** Messages about a parameter begin with its name, as in `messages[0].content must be …`. */
function paramOf(message: string): string | null {
  return /^([a-z][\w.[\]]*)(?= must be |: | is | needs )/.exec(message)?.[1] ?? null;
}
