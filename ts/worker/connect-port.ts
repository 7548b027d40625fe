import type { Model } from "../api/model.ts";
import type { RequestOptions } from "../api/types.ts";
import { DisposedError } from "../errors.ts";
import { Channel, otherEndClosed, ROOT } from "./channel.ts";
import { openPort, type PortLike } from "./port.ts";
import type { Remote } from "./remote.ts";

/**
 * The model that `servePort` offers at the other end of a port, with the interface of one that `loadModel` gives in a page: the engine is
 * not started here. Resolves when the model there has been loaded. The port is started.
 *
 * `dispose` closes the port: what this page has begun there ends, the model stays. Calls throw what the model throws; BackendError once the
 * other end has closed the port or its process has ended: ask for another port and connect again. (Electron and Node tell of a process that
 * has ended; between two pages of a browser nobody does.) Throws InvalidArgumentError for what is no port, and what `loadModel` threw there.
 */
export async function connectPort(port: PortLike): Promise<Remote<Model>> {
  const channel: Channel = new Channel(openPort(port, () => channel.close(otherEndClosed())));
  const close = (reason: Error) => {
    channel.close(reason);
    port.close();
  };
  port.start();
  try {
    const model = (await channel.call(ROOT, "model", [])) as Remote<Model>;
    for (const api of [model.chat.completions, model.completions, model.embeddings]) endWithPort(api);
    const dispose = () => close(new DisposedError("this model was disposed: connect again with another port"));
    return Object.assign(model, { dispose: async () => dispose(), [Symbol.dispose]: dispose });
  } catch (error) {
    close(new DisposedError("this model could not be reached"));
    throw error;
  }
}

interface Requests {
  create(params: object, options?: RequestOptions): Promise<unknown>;
}

/** Every request takes a signal across, which the other end aborts when the port closes: an answer that nobody reads holds a sequence. */
function endWithPort(api: object): void {
  const requests = api as Requests;
  const { create } = requests;
  requests.create = (params, options) => create(params, { ...options, signal: options?.signal ?? new AbortController().signal });
}
