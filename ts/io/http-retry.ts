import { NetworkError } from "../errors.ts";
import { refusal, showUrl, unreachableAdvice } from "./http-errors.ts";

export interface HttpOptions {
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** In place of the platform's fetch: a proxy, a test. */
  readonly fetch?: typeof fetch;
  /** Requests in a row that may bring no byte before a download is given up. Default: 5. */
  readonly attempts?: number;
  /** Wait before the second of them, in ms; twice as long before each further one. Default: 500. */
  readonly firstDelayMs?: number;
  /** A connection that is silent for so long, in ms, is taken for dead. Default: 30,000. */
  readonly stallMs?: number;
}

export const ATTEMPTS = 5;
const FIRST_DELAY_MS = 500;
/** The longest wait, also when a server asks for more: then it is time to tell the user. */
const LONGEST_DELAY_MS = 60_000;

/** A request that failed in a way that another one may mend. */
export class Interruption extends Error {
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;
  constructor(message: string, options?: ErrorOptions & { status?: number; retryAfterMs?: number }) {
    super(message, options);
    this.status = options?.status;
    this.retryAfterMs = options?.retryAfterMs;
  }
}

/** Does the work again after an Interruption, later and later, until `attempts` in a row have brought nothing. */
export async function persist<T>(
  url: string,
  { attempts = ATTEMPTS, firstDelayMs = FIRST_DELAY_MS }: HttpOptions,
  signal: AbortSignal | undefined,
  work: (came: () => void) => Promise<T>,
): Promise<T> {
  let failures = 0;
  for (;;) {
    try {
      return await work(() => {
        failures = 0;
      });
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof Interruption)) throw error;
      failures++;
      // Spread, so that parallel requests that broke together do not come back together.
      const delayMs = error.retryAfterMs ?? Math.min(LONGEST_DELAY_MS, firstDelayMs * 2 ** (failures - 1)) * (0.75 + Math.random() / 2);
      if (failures >= attempts || delayMs > 1.25 * LONGEST_DELAY_MS) throw givenUp(url, error, failures);
      await pause(delayMs, signal);
    }
  }
}

function givenUp(url: string, error: Interruption, failures: number): NetworkError {
  const tries = `${failures} ${failures === 1 ? "try" : "tries in a row"}`;
  if (error.status !== undefined) {
    const wait = error.retryAfterMs === undefined ? "" : ` (it asks to wait ${Math.ceil(error.retryAfterMs / 1000)} s)`;
    return new NetworkError(`${refusal(url, error.status).message}${wait}; given up after ${tries}`, error.status, { cause: error });
  }
  const advice = unreachableAdvice(url);
  return new NetworkError(`${showUrl(url)}: ${error.message}; given up after ${tries}: ${advice}`, undefined, { cause: error });
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}
