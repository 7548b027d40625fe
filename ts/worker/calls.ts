import { InvalidArgumentError } from "../errors.ts";

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

/** An iterator as the other side runs it, a call a step. */
export function stepwise(iterator: AsyncIterator<unknown>, onEnd: () => void): Pick<Required<AsyncIterator<unknown>>, "next" | "return"> {
  const step = async (result: Promise<IteratorResult<unknown>>) => {
    try {
      const { value, done } = await result;
      if (done) onEnd();
      return { value, done };
    } catch (error) {
      onEnd();
      throw error;
    }
  };
  return { next: () => step(iterator.next()), return: () => step(leave(iterator)) };
}

export const isIterator = (value: unknown): boolean => typeof value === "object" && value !== null && Symbol.asyncIterator in value;

/**
 * A method of an object's own or of its class, which the other side may call. What every object and every function has is none: with
 * `constructor` a page could make code of its own here. Throws InvalidArgumentError.
 */
export function methodOf(object: object, name: string): Callable {
  const own = typeof object === "object" && !(name in Object.prototype);
  const method = own ? (object as Record<string, unknown>)[name] : undefined;
  if (typeof method === "function") return method as Callable;
  throw new InvalidArgumentError(`${name}: there is no such method to call from another thread`);
}

/** A callback that throws must not stop the engine, nor go unheard. Throws InvalidArgumentError for what is no function. */
export function callBack(callback: object, args: readonly unknown[]): unknown {
  if (typeof callback !== "function") throw new InvalidArgumentError("wanted a function to call back, got an object");
  try {
    return callback(...args);
  } catch (error) {
    (globalThis.reportError ?? console.error)(error); // Node has no reportError
    throw error;
  }
}

/** Buffers of a result: whoever asked owns it, so that they move instead of being copied. */
export function buffersOf(value: unknown): Transferable[] {
  const views = (Array.isArray(value) ? value : [value]).filter((one) => ArrayBuffer.isView(one));
  return [...new Set(views.map((view) => view.buffer))].filter((buffer) => buffer instanceof ArrayBuffer);
}
