import { partialMarker } from "../marker.ts";
import type { FunctionTool } from "../types.ts";
import { CALL_OPEN, type CallReader, type ToolEvent } from "./call-reader.ts";
import type { ToolFormat } from "./format.ts";
import { JsonCallReader } from "./json-call.ts";
import { parameterSchemas } from "./parameters.ts";
import { XmlCallReader } from "./xml-call.ts";

/**
 * Finds tool calls in an answer as its text comes. However the text is cut, the events join to the same. White space before a call, and
 * after the last one, is dropped; all else that is no part of a call, damaged calls too, is content.
 */
export class ToolCallParser {
  readonly #format: ToolFormat;
  readonly #tools: ReadonlyMap<string, FunctionTool>;
  readonly #markers: readonly string[];
  #text = "";
  #reader: CallReader | undefined;
  /** The white space and the marker before the call that is being read. */
  #opening = "";
  #called = false;

  constructor(format: ToolFormat, tools: readonly FunctionTool[]) {
    this.#format = format;
    this.#tools = new Map(tools.map((tool) => [tool.function.name, tool]));
    // Qwen3-Coder now and then leaves the outer marker out.
    this.#markers = [CALL_OPEN, ...(format === "xml" ? [...this.#tools.keys()].map((name) => `<function=${name}>`) : [])];
  }

  push(text: string): ToolEvent[] {
    this.#text += text;
    return this.#run(false);
  }

  /** What was held back when the text ended. */
  end(): ToolEvent[] {
    const events = this.#run(true);
    if (this.#text !== "" && !(this.#called && this.#text.trim() === "")) events.push({ type: "content", text: this.#text });
    this.#text = "";
    return events;
  }

  #run(last: boolean): ToolEvent[] {
    const events: ToolEvent[] = [];
    while (this.#reader || this.#findCall(events)) {
      if (!this.#readCall(events, last)) break;
    }
    return events;
  }

  /** Tells the content before the next call. Returns whether a call begins. */
  #findCall(events: ToolEvent[]): boolean {
    const found = this.#markers.map((marker) => ({ marker, at: this.#text.indexOf(marker) })).filter(({ at }) => at >= 0);
    const first = found.sort((a, b) => a.at - b.at)[0];
    const clear = first ? first.at : this.#text.length - Math.max(...this.#markers.map((marker) => partialMarker(this.#text, marker)));
    const content = this.#text.slice(0, clear).trimEnd();
    if (content !== "") events.push({ type: "content", text: content });
    if (!first) {
      this.#text = this.#text.slice(content.length);
      return false;
    }
    const wrapped = first.marker === CALL_OPEN;
    const start = first.at + (wrapped ? CALL_OPEN.length : 0);
    this.#opening = this.#text.slice(content.length, start);
    this.#text = this.#text.slice(start);
    this.#reader = this.#format === "xml" ? new XmlCallReader((name) => parameterSchemas(this.#tools.get(name))) : new JsonCallReader();
    return true;
  }

  /** Reads on in the open call. Returns whether it is over. */
  #readCall(events: ToolEvent[], last: boolean): boolean {
    const reader = this.#reader!;
    const { used, events: told, state } = reader.read(this.#text, last);
    this.#text = this.#text.slice(used);
    events.push(...told);
    if (reader.begun) this.#called = true;
    if (state === "open" && !last) return false;
    if (!reader.begun) events.push({ type: "content", text: this.#opening });
    this.#reader = undefined;
    return state !== "open";
  }
}
