import { nextTask } from "../engine/next-task.ts";
import { answerOf } from "./refusal.ts";
import type { Task } from "./work.ts";

const HEADERS = { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", "x-accel-buffering": "no" };
const encoder = new TextEncoder();
const event = (data: string) => encoder.encode(`data: ${data}\n\n`);

/**
 * Items as server-sent events, `[DONE]` after the last; an error becomes the last event. An item is taken when the client has read those
 * before. Ends the task. Rejects with what the items throw at once, which can still be told by a status.
 */
export async function eventStream(items: AsyncIterable<unknown>, task: Task): Promise<Response> {
  const iterator = items[Symbol.asyncIterator]();
  let first: Promise<IteratorResult<unknown>> | undefined = iterator.next();
  await Promise.race([first, nextTask()]);
  let gone = false;
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = first ?? iterator.next();
        first = undefined;
        try {
          const { done, value } = await next;
          if (!done) return controller.enqueue(event(JSON.stringify(value)));
          controller.enqueue(event("[DONE]"));
        } catch (error) {
          if (gone) return;
          controller.enqueue(event(JSON.stringify({ error: answerOf(error).error })));
        }
        task.end();
        controller.close();
      },
      async cancel() {
        gone = true;
        task.abort();
        await iterator.return?.().catch(() => undefined);
        task.end();
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(stream, { headers: HEADERS });
}
