import { QuotaError } from "../errors.ts";

/** Bytes that this origin may still write, by the browser's estimate. */
export async function availableBytes(): Promise<number | undefined> {
  const { quota, usage } = (await globalThis.navigator?.storage?.estimate?.()) ?? {};
  return quota === undefined ? undefined : Math.max(0, quota - (usage ?? 0));
}

/** A browser's "quota exceeded" as a QuotaError; other errors as they are. */
export async function noRoom(error: unknown, neededBytes: number): Promise<unknown> {
  if (!(error instanceof Error) || error.name !== "QuotaExceededError") return error;
  return quotaError(neededBytes, await availableBytes(), error);
}

export function quotaError(neededBytes: number, available: number | undefined, cause?: unknown): QuotaError {
  const there = available === undefined ? "the platform does not tell how many are free" : `${available} are free`;
  return new QuotaError(
    `the model cache has no room: ${neededBytes} more bytes are needed, ${there}: remove cached models, free disk space, ` +
      "or load with download.cache false, which keeps nothing",
    neededBytes,
    available,
    { cause },
  );
}

/** Asks the browser not to evict what is kept. It may decline: then models may have to be downloaded again, nothing worse. */
export async function askToPersist(): Promise<void> {
  await globalThis.navigator?.storage?.persist?.().catch(() => false);
}
