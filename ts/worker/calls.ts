/** What a call across the wall leaves behind, and what it gives. */
export type Callable = (...args: unknown[]) => unknown;
/** What to do when a call, or the iteration that it began, has ended. */
export type Scope = (() => void)[];

export function end(scope: Scope): void {
  for (const step of scope.splice(0)) step();
}

/** What a loop does that ends early. */
export async function leave(iterator: AsyncIterator<unknown>): Promise<IteratorResult<unknown>> {
  return (await iterator.return?.()) ?? { value: undefined, done: true };
}

export const isIterator = (value: unknown): boolean => typeof value === "object" && value !== null && Symbol.asyncIterator in value;

/** A callback that throws must not stop the engine, nor go unheard. */
export function callBack(callback: Callable, args: readonly unknown[]): unknown {
  try {
    return callback(...args);
  } catch (error) {
    reportError(error);
    throw error;
  }
}

/** Buffers of a result: whoever asked owns it, so that they move instead of being copied. */
export function buffersOf(value: unknown): Transferable[] {
  const views = (Array.isArray(value) ? value : [value]).filter((one) => ArrayBuffer.isView(one));
  return [...new Set(views.map((view) => view.buffer))].filter((buffer) => buffer instanceof ArrayBuffer);
}
