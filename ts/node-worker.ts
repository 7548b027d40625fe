/** `Worker` of node:worker_threads, in Node and Deno: it can leave its process free to end. Undefined in pages, and in the bundle for pages. */
export async function nodeWorker(): Promise<typeof import("node:worker_threads").Worker | undefined> {
  const { process } = globalThis as { process?: { versions?: { node?: string } } };
  if (!process?.versions?.node) return undefined;
  const { Worker } = (await import("node:worker_threads")) as Partial<typeof import("node:worker_threads")>;
  return Worker;
}
