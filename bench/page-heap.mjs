// The JavaScript heaps of a page and of all workers below it, by Chromium's own account, for benchmarks.

/**
 * Follows a page and its workers, those that start later too; gives a function that says what they have, in bytes summed over all of them:
 * objects on their heaps, and array buffers that these hold. A thread that waits in WebAssembly cannot answer: its last answer counts.
 * @param {import("playwright-core").Page} page
 */
export async function followHeaps(page) {
  const session = await page.context().newCDPSession(page);
  const root = { send: (method, params) => session.send(method, params), usage: {} };
  const isolates = new Map([["", root]]);
  session.on("Target.attachedToTarget", (event) => attach(isolates, root, event));
  session.on("Target.detachedFromTarget", ({ sessionId }) => isolates.delete(sessionId));
  session.on("Target.receivedMessageFromTarget", ({ sessionId, message }) => isolates.get(sessionId)?.receive(JSON.parse(message)));
  await root.send("Target.setAutoAttach", AUTO_ATTACH);

  return () => {
    for (const isolate of isolates.values()) ask(isolate);
    const sum = (name) => [...isolates.values()].reduce((bytes, { usage }) => bytes + (usage[name] ?? 0), 0);
    return { heapBytes: sum("usedSize"), bufferBytes: sum("backingStorageSize") };
  };
}

const AUTO_ATTACH = { autoAttach: true, waitForDebuggerOnStart: false, flatten: false };

/** One question at a time. */
async function ask(isolate) {
  if (isolate.asked) return;
  isolate.asked = true;
  isolate.usage = await isolate.send("Runtime.getHeapUsage").catch(() => ({}));
  isolate.asked = false;
}

/** A worker speaks through the page or worker that started it. */
function attach(isolates, parent, { sessionId }) {
  const waiting = new Map();
  let lastId = 0;
  const isolate = {
    usage: {},
    send: (method, params) =>
      new Promise((resolve, reject) => {
        const id = ++lastId;
        waiting.set(id, { resolve, reject });
        parent.send("Target.sendMessageToTarget", { sessionId, message: JSON.stringify({ id, method, params }) }).catch(reject);
      }),
    receive: ({ id, result, error, method, params }) => {
      if (method === "Target.attachedToTarget") attach(isolates, isolate, params);
      else if (method === "Target.detachedFromTarget") isolates.delete(params.sessionId);
      else if (method === "Target.receivedMessageFromTarget") isolates.get(params.sessionId)?.receive(JSON.parse(params.message));
      else if (error) waiting.get(id)?.reject(new Error(error.message));
      else waiting.get(id)?.resolve(result);
      waiting.delete(id);
    },
  };
  isolates.set(sessionId, isolate);
  isolate.send("Target.setAutoAttach", AUTO_ATTACH).catch(() => undefined);
}
