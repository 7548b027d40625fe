import { CapabilityError, IntegrityError, NetworkError } from "../errors.ts";
import { EXPOSED_HEADERS, refusal, showUrl } from "./http-errors.ts";
import { ATTEMPTS, type HttpOptions, Interruption, persist } from "./http-retry.ts";

/** A file on a server, in the version that was found when it was first asked for. */
export interface RemoteFile {
  readonly url: string;
  readonly bytes: number;
  /** ETag and Last-Modified tell one version from another; undefined where the server does not send them. */
  readonly etag?: string;
  readonly modified?: string;
  /** Whether the server gives parts of the file. */
  readonly ranges: boolean;
}

/** When nothing has come yet, a wrong address is likelier than a weak connection: say so soon. */
const FIRST_ATTEMPTS = 3;
const STALL_MS = 30_000;
const TRANSIENT = new Set([408, 425, 429, 500, 502, 503, 504]);

/**
 * Asks for a file's size and version. A range of one byte rather than HEAD: presigned URLs allow GET only, and the answer shows whether
 * the server gives ranges. Throws NetworkError, CapabilityError where a size is not told, or the signal's reason.
 */
export async function probe(url: string, http: HttpOptions, signal?: AbortSignal): Promise<RemoteFile> {
  const attempts = Math.min(FIRST_ATTEMPTS, http.attempts ?? ATTEMPTS);
  const response = await persist(url, { ...http, attempts }, signal, () => request(url, http, { headers: { Range: "bytes=0-0" } }, signal));
  await response.body?.cancel();
  const version = { etag: response.headers.get("etag") ?? undefined, modified: response.headers.get("last-modified") ?? undefined };
  const ranges = response.status === 206;
  const bytes = ranges ? contentRange(response)?.bytes : wholeLength(response);
  if (bytes !== undefined) return { url, bytes, ...version, ranges };
  const missing = ranges
    ? `Content-Range (for other sites' pages ${EXPOSED_HEADERS} as well)`
    : "Accept-Ranges, or at least a Content-Length without Content-Encoding";
  throw new CapabilityError(`${showUrl(url)}: wanted the file's size, the server does not tell it: let it send ${missing}`);
}

/**
 * Fetches bytes [start, end) in order and hands them to `take` as they come. A connection that breaks is taken up again at the byte where it
 * broke; from a server without ranges everything comes again, and what is known is skipped. Throws NetworkError, IntegrityError when the
 * file on the server is another one now, what `take` throws, or the signal's reason.
 */
export async function fetchRange(
  file: RemoteFile,
  [start, end]: readonly [number, number],
  http: HttpOptions,
  take: (chunk: Uint8Array) => Promise<void> | void,
  signal?: AbortSignal,
): Promise<void> {
  let next = start;
  await persist(file.url, http, signal, async (came) => {
    const stall = new StallTimer(signal, http.stallMs ?? STALL_MS);
    try {
      const headers: Record<string, string> = file.ranges ? { Range: `bytes=${next}-${end - 1}` } : {};
      const response = await request(file.url, http, { headers }, stall.signal);
      // Compared here and not left to If-Range, which costs other sites' pages a preflight and tells no more.
      checkVersion(file, response);
      let position = response.status === 206 ? rangeStart(file.url, response, next) : 0;
      for await (const chunk of chunks(response, stall)) {
        const fresh = chunk.subarray(Math.min(chunk.length, next - position), Math.min(chunk.length, end - position));
        position += chunk.length;
        if (fresh.length === 0) continue;
        next += fresh.length;
        came();
        await take(fresh);
        if (next === end) return;
      }
      throw new Interruption(`the connection ended ${end - next} bytes early`);
    } finally {
      stall.end();
    }
  });
}

/** A fetch that waits out a server's weak moments and throws NetworkError for its refusals. */
export function steadyFetch(http: HttpOptions, signal?: AbortSignal): typeof fetch {
  return (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    return persist(url, http, signal, () => request(url, http, init ?? {}, signal));
  };
}

/** Whether two answers are about the same version of a file. */
export function sameVersion(a: Omit<RemoteFile, "url" | "ranges">, b: Omit<RemoteFile, "url" | "ranges">): boolean {
  if (a.bytes !== b.bytes) return false;
  if (a.etag !== undefined && b.etag !== undefined) return a.etag === b.etag;
  return a.modified === undefined || b.modified === undefined || a.modified === b.modified;
}

async function request(url: string, http: HttpOptions, init: RequestInit, signal: AbortSignal | undefined): Promise<Response> {
  signal?.throwIfAborted();
  let response: Response;
  try {
    const headers = { ...http.headers, ...(init.headers as Record<string, string> | undefined) };
    // no-store: gigabytes shall not go through the browser's own cache as well.
    response = await (http.fetch ?? fetch)(url, { ...init, headers, signal, cache: "no-store" });
  } catch (cause) {
    throw new Interruption(`no answer (${reasonOf(cause)})`, { cause });
  }
  if (response.ok) return response;
  await response.body?.cancel();
  const { status } = response;
  if (!TRANSIENT.has(status)) throw refusal(url, status);
  throw new Interruption(`HTTP ${status}`, { status, retryAfterMs: retryAfter(response) });
}

async function* chunks(response: Response, stall: StallTimer): AsyncGenerator<Uint8Array, void, undefined> {
  if (!response.body) return;
  const reader = response.body.getReader();
  try {
    for (;;) {
      stall.restart();
      const { done, value } = await reader.read().catch((cause: unknown) => {
        throw new Interruption(`the connection broke (${reasonOf(cause)})`, { cause });
      });
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** Aborts one request when the caller says so, or when it has been silent for too long. */
class StallTimer {
  readonly signal: AbortSignal;
  readonly #stop = new AbortController();
  readonly #stallMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(outer: AbortSignal | undefined, stallMs: number) {
    this.#stallMs = stallMs;
    this.signal = outer ? AbortSignal.any([outer, this.#stop.signal]) : this.#stop.signal;
    this.restart();
  }

  restart(): void {
    this.end();
    this.#timer = setTimeout(() => this.#stop.abort(new Error(`nothing came for ${this.#stallMs / 1000} s`)), this.#stallMs);
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}

function checkVersion(file: RemoteFile, { headers, status }: Response): void {
  const bytes = status === 206 ? (contentRange({ headers })?.bytes ?? file.bytes) : (wholeLength({ headers }) ?? file.bytes);
  const now = { bytes, etag: headers.get("etag") ?? undefined, modified: headers.get("last-modified") ?? undefined };
  if (sameVersion(file, now)) return;
  const show = (version: typeof now) => `${version.bytes} bytes, ${version.etag ?? version.modified ?? "no ETag"}`;
  throw new IntegrityError(
    `${showUrl(file.url)}: the file changed on the server during the download: wanted ${show({ ...now, ...file })}, got ${show(now)}: load it again`,
  );
}

/** The first byte of a part. A header that a page may not read is taken on trust. */
function rangeStart(url: string, response: Response, wanted: number): number {
  const start = contentRange(response)?.start ?? wanted;
  if (start === wanted) return start;
  throw new NetworkError(`${showUrl(url)}: wanted bytes from ${wanted}, got bytes from ${start}: the server's ranges do not work`, 206);
}

function contentRange({ headers }: Pick<Response, "headers">): { start: number; bytes: number } | undefined {
  const match = /^bytes (\d+)-\d+\/(\d+)$/.exec(headers.get("content-range") ?? "");
  return match ? { start: Number(match[1]), bytes: Number(match[2]) } : undefined;
}

/** The length of a whole body; of one that is compressed under way the header tells another number. */
function wholeLength({ headers }: Pick<Response, "headers">): number | undefined {
  const length = headers.get("content-length");
  const coding = headers.get("content-encoding") ?? "identity";
  return length !== null && coding === "identity" ? Number(length) : undefined;
}

/** Retry-After in ms: seconds, or a date. */
function retryAfter({ headers }: Response): number | undefined {
  const text = headers.get("retry-after");
  if (text === null) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

/** Node's fetch hides the reason in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
