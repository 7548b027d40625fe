/**
 * What a page asks and what it is told:
 *   { id, prompt }       →  { id, text } …, then { id, finishReason } or { id, error }
 *   { id, stop: true }   →  nothing more of that id but its end
 *
 * @typedef {{ id: number, prompt?: string, stop?: boolean }} Request
 * @typedef {{ id: number, text?: string, finishReason?: string, error?: { code: string, message: string } }} Reply
 * @typedef {{
 *   on(event: "message", listener: (event: { data: Request }) => void): unknown,
 *   on(event: "close", listener: () => void): unknown,
 *   postMessage(reply: Reply): void,
 *   start(): void,
 * }} Port  Electron's MessagePortMain, or its like.
 */
import { TandemError } from "tandem-llm";

/**
 * Answers on a port until it closes. A page that reloads or goes stops what it had asked.
 * @param {Port} port
 * @param {Promise<import("tandem-llm").Model>} model
 */
export function servePort(port, model) {
  /** @type {Map<number, AbortController>} */
  const running = new Map();
  port.on("message", ({ data }) => {
    if (data.stop) running.get(data.id)?.abort();
    else void answer(data.id, data.prompt ?? "");
  });
  port.on("close", () => {
    for (const stop of running.values()) stop.abort();
  });
  port.start();

  /** @param {number} id @param {string} prompt */
  async function answer(id, prompt) {
    const stop = new AbortController();
    running.set(id, stop);
    let finishReason = "stopped";
    try {
      const pieces = (await model).generate(prompt, { maxTokens: 64, temperature: 0, signal: stop.signal });
      for await (const piece of pieces) {
        port.postMessage({ id, text: piece.text });
        finishReason = piece.finishReason ?? finishReason;
      }
      port.postMessage({ id, finishReason });
    } catch (error) {
      if (stop.signal.aborted) port.postMessage({ id, finishReason });
      else port.postMessage({ id, error: { code: error instanceof TandemError ? error.code : "unknown", message: String(error) } });
    } finally {
      running.delete(id);
    }
  }
}
