import { partialMarker } from "../marker.ts";
import { CALL_CLOSE, type CallReader, type Reading, startsWith, type ToolEvent } from "./call-reader.ts";
import { argumentJson, isTextParameter, type ParameterSchemas } from "./parameters.ts";

const VALUE_CLOSE = "</parameter>";
const FUNCTION_CLOSE = "</function>";

/**
 * The format of Qwen3-Coder and Qwen3.5: `<tool_call><function=name><parameter=key>value</parameter>…</function></tool_call>`, each on lines
 * of their own. Values of string parameters are told as they come, others when they are whole, as JSON of the type that the schema asks for.
 */
export class XmlCallReader implements CallReader {
  begun = false;
  readonly #schemasOf: (name: string) => ParameterSchemas;
  #schemas: ParameterSchemas = {};
  #phase: "head" | "body" | "text" | "value" | "tail" = "head";
  #parameters = 0;
  #key = "";
  /** Whether the text value has begun: its first line break belongs to the format. */
  #inText = false;
  readonly #events: ToolEvent[] = [];

  constructor(schemasOf: (name: string) => ParameterSchemas) {
    this.#schemasOf = schemasOf;
  }

  read(text: string, last: boolean): Reading {
    let rest = text;
    let state: Reading["state"] = "open";
    for (;;) {
      const before = this.#phase;
      const step = this.#step(rest, last);
      rest = rest.slice(step.used);
      state = step.state;
      if (state !== "open" || (step.used === 0 && this.#phase === before)) break;
    }
    return { used: text.length - rest.length, events: this.#events.splice(0), state };
  }

  #step(text: string, last: boolean): Pick<Reading, "used" | "state"> {
    switch (this.#phase) {
      case "head":
        return this.#readHead(text, last);
      case "body":
        return this.#readBody(text, last);
      case "text":
        return this.#readText(text, last);
      case "value":
        return this.#readValue(text, last);
      case "tail": {
        const closed = startsWith(text, CALL_CLOSE);
        const used = closed === true ? text.length - text.trimStart().length + CALL_CLOSE.length : 0;
        if (closed === "open") return last ? { used: text.length, state: "done" } : { used, state: "open" };
        return { used, state: "done" }; // without its closing marker the call is whole all the same
      }
    }
  }

  #readHead(text: string, last: boolean): Pick<Reading, "used" | "state"> {
    const tag = readTag(text, "<function=");
    if (tag === "open" && !last) return { used: 0, state: "open" };
    if (tag === "open" || tag === undefined) return { used: 0, state: "broken" };
    this.begun = true;
    this.#schemas = this.#schemasOf(tag.name);
    this.#events.push({ type: "call", name: tag.name });
    this.#phase = "body";
    return { used: tag.length, state: "open" };
  }

  #readBody(text: string, last: boolean): Pick<Reading, "used" | "state"> {
    const tag = readTag(text, "<parameter=");
    if (tag !== undefined && tag !== "open") {
      this.#key = tag.name;
      this.#tell(`${this.#parameters++ === 0 ? "{" : ", "}${JSON.stringify(this.#key)}: `);
      this.#phase = isTextParameter(this.#schemas[this.#key]) ? "text" : "value";
      if (this.#phase === "text") this.#tell('"');
      this.#inText = false;
      return { used: tag.length, state: "open" };
    }
    for (const [marker, phase] of [
      [FUNCTION_CLOSE, "tail"],
      [CALL_CLOSE, "done"],
    ] as const) {
      if (startsWith(text, marker) !== true) continue;
      this.#close();
      if (phase === "tail") this.#phase = "tail";
      return { used: text.length - text.trimStart().length + marker.length, state: phase === "done" ? "done" : "open" };
    }
    const open = tag === "open" || startsWith(text, FUNCTION_CLOSE) === "open" || startsWith(text, CALL_CLOSE) === "open";
    if (open && !last) return { used: 0, state: "open" };
    this.#close();
    return { used: open && text.trim() === "" ? text.length : 0, state: "broken" };
  }

  #readText(text: string, last: boolean): Pick<Reading, "used" | "state"> {
    if (text === "") return { used: 0, state: "open" };
    let from = 0;
    if (!this.#inText) {
      this.#inText = true;
      if (text[0] === "\n") from = 1;
    }
    const end = text.indexOf(VALUE_CLOSE, from);
    if (end >= 0) {
      const value = text.slice(from, end).replace(/\n$/, "");
      this.#tell(`${escaped(value)}"`);
      this.#phase = "body";
      return { used: end + VALUE_CLOSE.length, state: "open" };
    }
    const held = Math.max(partialMarker(text, VALUE_CLOSE), partialMarker(text, `\n${VALUE_CLOSE}`), /[\ud800-\udbff]$/.test(text) ? 1 : 0);
    const clear = last ? text.length : Math.max(from, text.length - held);
    this.#tell(escaped(text.slice(from, clear)));
    return { used: clear, state: "open" };
  }

  #readValue(text: string, last: boolean): Pick<Reading, "used" | "state"> {
    const end = text.indexOf(VALUE_CLOSE);
    if (end >= 0) {
      this.#tell(argumentJson(text.slice(0, end)));
      this.#phase = "body";
      return { used: end + VALUE_CLOSE.length, state: "open" };
    }
    if (!last) return { used: 0, state: "open" };
    this.#tell(text.trim()); // cut off in the middle: what there is of it
    return { used: text.length, state: "open" };
  }

  #tell(text: string): void {
    if (text !== "") this.#events.push({ type: "arguments", text });
  }

  #close(): void {
    this.#tell(this.#parameters === 0 ? "{}" : "}");
    this.#events.push({ type: "end" });
  }
}

/** A tag such as `<function=name>` at the front, white space aside. undefined when it is none, "open" when more text is needed to tell. */
function readTag(text: string, opening: string): { name: string; length: number } | "open" | undefined {
  const start = startsWith(text, opening);
  if (start !== true) return start === "open" ? "open" : undefined;
  const from = text.length - text.trimStart().length + opening.length;
  const end = text.slice(from).search(/[>\n<]/);
  if (end < 0) return "open";
  return text[from + end] === ">" && end > 0 ? { name: text.slice(from, from + end), length: from + end + 1 } : undefined;
}

function escaped(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
