import { NetworkError } from "../errors.ts";

/** What to do about a server's refusal. */
const ADVICE: Readonly<Record<number, string>> = {
  401: "it wants a login, or the model does not exist: check the name; for a gated or private model set HF_TOKEN or pass download.token",
  403: "access is refused: accept the model's terms on its page, or use a token that may read it (HF_TOKEN, download.token)",
  404: "there is no such file: check the spelling of the repository and the file",
  410: "the file was taken away: look for another address",
  416: "the file is shorter than it was, or empty: remove it from the cache and load again",
  429: "too many requests: wait a while and load again, the download goes on where it stopped",
};

/** A server's answer that is no file, with what to do. */
export function refusal(url: string, status: number): NetworkError {
  const advice = ADVICE[status] ?? (status >= 500 ? "the server is in trouble: try again later" : "check the address");
  return new NetworkError(`${showUrl(url)}: wanted the file, got HTTP ${status}: ${advice}`, status);
}

/** Why a request may have got no answer at all. Browsers tell scripts neither of the two from the other. */
export function unreachableAdvice(url: string): string {
  const page = (globalThis as { location?: { origin?: string } }).location?.origin;
  if (page === undefined || page === new URL(url).origin) return "check the network and the address";
  return (
    `check the network; or the server does not let pages of ${page} read it: it must send ` +
    `Access-Control-Allow-Origin, and ${EXPOSED_HEADERS}`
  );
}

/** Response headers that a page may read only where the server says so. */
export const EXPOSED_HEADERS = "Access-Control-Expose-Headers: Content-Range, ETag";

/** A URL for messages: a query may hold a secret. */
export function showUrl(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}
