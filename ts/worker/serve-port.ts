import { Model } from "../api/model.ts";
import { generate } from "../engine/generate.ts";
import { DisposedError } from "../errors.ts";
import { sweep } from "../measure/sweep.ts";
import { GenerationQueue } from "../serving/queue.ts";
import { Channel, otherEndClosed } from "./channel.ts";
import { LIVE } from "./live.ts";
import { openPort, type PortLike } from "./port.ts";

/**
 * Lets a page use this model through a port, with `connectPort` of the browser bundle: the engine in a process or thread of one's own, the
 * page in another. A model that still loads, or fails to, is waited for by the page. Any number of ports may share a model.
 *
 * The port is started, and served until its other end closes, as at a reload, or until the function that this returns is called, which closes
 * it: then requests of that page end, and its contexts are freed. The model and its queue stay; a page cannot dispose of them. Throws
 * InvalidArgumentError for what is no port.
 */
export function servePort(port: PortLike, model: Model | Promise<Model>): () => void {
  const loading = Promise.resolve(model);
  loading.catch(() => undefined); // told to whoever connects
  const root = { generate, sweep, model: () => loading };
  const opened = openPort(port, () => channel.close(otherEndClosed()));
  const channel: Channel = new Channel(opened, { root, live: LIVE, shared: [Model, GenerationQueue] });
  port.start();
  return () => {
    channel.close(new DisposedError("this model is no longer served here"));
    port.close();
  };
}
