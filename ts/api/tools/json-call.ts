import { CALL_CLOSE, type CallReader, type Reading, startsWith, type ToolEvent } from "./call-reader.ts";

/** The order that models are trained to write: the arguments can be told as they come. */
const HEAD = /^\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"arguments"\s*:\s*(?=\{)/;

/**
 * The Hermes format of Qwen3 and Qwen3-Next: `<tool_call>{"name": …, "arguments": {…}}</tool_call>`. The arguments are told as they are
 * written; raw line breaks within their strings, which models leave unescaped, are escaped.
 */
export class JsonCallReader implements CallReader {
  begun = false;
  #phase: "head" | "arguments" | "tail" = "head";
  #depth = 0;
  #inString = false;
  #escaped = false;

  read(text: string, last: boolean): Reading {
    const events: ToolEvent[] = [];
    let used = 0;
    if (this.#phase === "head") {
      const head = HEAD.exec(text);
      if (!head) return this.#readWhole(text, last);
      const name = parsed(head[1]!);
      if (typeof name !== "string") return { used: 0, events, state: "broken" };
      events.push({ type: "call", name });
      this.begun = true;
      this.#phase = "arguments";
      used = head[0].length;
    }
    if (this.#phase === "arguments") {
      const from = used;
      let written = "";
      while (used < text.length && this.#phase === "arguments") {
        if (!this.#inString && text[used] === "<") break;
        written += this.#accept(text[used++]!);
      }
      if (used > from) events.push({ type: "arguments", text: written });
      if (this.#phase === "arguments") return this.#unfinished(text, used, events, last);
    }
    return this.#readTail(text, used, events, last);
  }

  /** The next character of the arguments, as it is told. */
  #accept(character: string): string {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (character === "\\") this.#escaped = true;
      else if (character === '"') this.#inString = false;
      else if (character < " ") return JSON.stringify(character).slice(1, -1);
      return character;
    }
    if (character === '"') this.#inString = true;
    if (character === "{" || character === "[") this.#depth++;
    if ((character === "}" || character === "]") && --this.#depth === 0) this.#phase = "tail";
    return character;
  }

  /** The arguments are still open: a `<` outside a string can only be the marker at the end of a damaged call. */
  #unfinished(text: string, used: number, events: ToolEvent[], last: boolean): Reading {
    if (used === text.length) return { used, events, state: "open" };
    const closed = startsWith(text.slice(used), CALL_CLOSE);
    if (closed === true) return { used: used + CALL_CLOSE.length, events, state: "done" };
    return { used, events, state: closed === "open" && !last ? "open" : "broken" };
  }

  #readTail(text: string, from: number, events: ToolEvent[], last: boolean): Reading {
    const tail = /^\s*\}\s*<\/tool_call>/.exec(text.slice(from));
    if (tail) return { used: from + tail[0].length, events: [...events, { type: "end" }], state: "done" };
    const rest = text.slice(from).replace(/\s/g, "");
    const may = `}${CALL_CLOSE}`.startsWith(rest);
    if (may && !last) return { used: from, events, state: "open" };
    return { used: may ? text.length : from, events: [...events, { type: "end" }], state: may ? "done" : "broken" };
  }

  /** Calls in another order, or without arguments, are told when they are whole. */
  #readWhole(text: string, last: boolean): Reading {
    const end = text.indexOf(CALL_CLOSE);
    if (end < 0 && !last) return { used: 0, events: [], state: "open" };
    const call = parsed(end < 0 ? text : text.slice(0, end));
    if (typeof call !== "object" || call === null || !("name" in call) || typeof call.name !== "string") {
      return { used: 0, events: [], state: "broken" };
    }
    const given = "arguments" in call ? (call.arguments ?? {}) : {};
    this.begun = true;
    const written = typeof given === "string" ? given : JSON.stringify(given);
    const used = end < 0 ? text.length : end + CALL_CLOSE.length;
    return { used, events: [{ type: "call", name: call.name }, { type: "arguments", text: written }, { type: "end" }], state: "done" };
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
