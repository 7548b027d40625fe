/** The worker: the engine, offered to whoever started it. Bundled by itself; `page.ts` is the other end. */
import { Context } from "../engine/context.ts";
import { generate } from "../engine/generate.ts";
import { loadModel, Model } from "../engine/model.ts";
import { Metadata } from "../io/metadata.ts";
import { ChatTemplate } from "../text/chat-template.ts";
import { StreamDecoder } from "../text/stream-decoder.ts";
import { Tokenizer } from "../text/tokenizer.ts";
import { Channel, type Port } from "./channel.ts";

/** Exported so that the bundle is seen to be a module. */
export const channel = new Channel(globalThis as unknown as Port, { loadModel, generate }, [
  Model,
  Context,
  Tokenizer,
  ChatTemplate,
  StreamDecoder,
  Metadata,
]);
