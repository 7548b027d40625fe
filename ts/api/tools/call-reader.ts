/** What an answer with tools is made of, in order. A call's arguments come in pieces that join to JSON text; `end` says that it is whole. */
export type ToolEvent =
  | { readonly type: "content"; readonly text: string }
  | { readonly type: "call"; readonly name: string }
  | { readonly type: "arguments"; readonly text: string }
  | { readonly type: "end" };

/** How far a reader came. What it did not use is kept for the next reading, or, after done or broken, is the text that follows the call. */
export interface Reading {
  readonly used: number;
  readonly events: ToolEvent[];
  readonly state: "open" | "done" | "broken";
}

/** Reads one call, in the format that the model writes, from the text after its opening marker. */
export interface CallReader {
  /** Whether the call was told: before that, a broken one is given back whole, as content. */
  readonly begun: boolean;
  /** @param last Whether no more text comes. */
  read(text: string, last: boolean): Reading;
}

export const CALL_OPEN = "<tool_call>";
export const CALL_CLOSE = "</tool_call>";

/** Whether the text, but for white space before it, begins with the marker; "open" when more text is needed to tell. */
export function startsWith(text: string, marker: string): boolean | "open" {
  const shown = text.trimStart();
  if (shown.startsWith(marker)) return true;
  return marker.startsWith(shown) ? "open" : false;
}
