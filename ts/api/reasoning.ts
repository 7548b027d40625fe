import { partialMarker } from "./marker.ts";

const OPEN = "<think>";
const CLOSE = "</think>";

/** A piece of an answer: what the model thought, or what it says. */
export interface ReasoningDelta {
  readonly reasoning: string;
  readonly content: string;
}

/**
 * Takes the `<think>` block at the start of an answer apart from what follows, as the text comes. The block's white space at both ends, and
 * that between it and the answer, is dropped. A `<think>` further on is text like any other.
 */
export class ReasoningSplitter {
  #phase: "start" | "reasoning" | "after" | "content";
  #held = "";
  #begun = false;

  /** @param opened Whether the prompt itself ended in `<think>`: the answer begins inside the block. */
  constructor(opened: boolean) {
    this.#phase = opened ? "reasoning" : "start";
  }

  get thinking(): boolean {
    return this.#phase === "reasoning";
  }

  push(text: string): ReasoningDelta {
    this.#held += text;
    let reasoning = "";
    if (this.#phase === "start") this.#start();
    if (this.#phase === "reasoning") reasoning = this.#reason();
    if (this.#phase === "after") {
      this.#held = this.#held.trimStart();
      if (this.#held !== "") this.#phase = "content";
    }
    return { reasoning, content: this.#phase === "content" ? this.#take(this.#held.length) : "" };
  }

  /** What was held back when the text ended. */
  end(): ReasoningDelta {
    const rest = this.#take(this.#held.length);
    if (this.#phase === "reasoning") return { reasoning: this.#trimmed(rest).trimEnd(), content: "" };
    return { reasoning: "", content: this.#phase === "after" ? "" : rest };
  }

  #start(): void {
    const shown = this.#held.trimStart();
    if (shown.startsWith(OPEN)) {
      this.#held = shown.slice(OPEN.length);
      this.#phase = "reasoning";
    } else if (!OPEN.startsWith(shown)) this.#phase = "content";
  }

  #reason(): string {
    const end = this.#held.indexOf(CLOSE);
    if (end >= 0) {
      const block = this.#trimmed(this.#take(end)).trimEnd();
      this.#take(CLOSE.length);
      this.#phase = "after";
      return block;
    }
    // White space waits: it is dropped if the block ends with it.
    const clear = this.#held.length - partialMarker(this.#held, CLOSE);
    return this.#trimmed(this.#take(this.#held.slice(0, clear).trimEnd().length));
  }

  #trimmed(text: string): string {
    const shown = this.#begun ? text : text.trimStart();
    if (shown !== "") this.#begun = true;
    return shown;
  }

  #take(length: number): string {
    const text = this.#held.slice(0, length);
    this.#held = this.#held.slice(length);
    return text;
  }
}
