import { NetworkError } from "../errors.ts";

/** The data of server-sent events up to `[DONE]`. Throws NetworkError where the connection ends before. */
export async function* eventData(body: ReadableStream<Uint8Array>, from: string): AsyncGenerator<string, void, undefined> {
  let rest = "";
  let data: string[] = [];
  for await (const piece of body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop()!;
    for (const ended of lines) {
      const line = ended.replace(/\r$/, "");
      if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
      if (line !== "" || data.length === 0) continue;
      const event = data.join("\n");
      data = [];
      if (event === "[DONE]") return;
      yield event;
    }
  }
  throw new NetworkError(`${from}: the connection ended in mid-answer: ask again`);
}
