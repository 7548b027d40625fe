import fc from "fast-check";
import { expect, it } from "vitest";
import { ReasoningSplitter } from "../../ts/api/reasoning.ts";

function split(pieces: readonly string[], opened = false): { reasoning: string; content: string } {
  const splitter = new ReasoningSplitter(opened);
  const deltas = [...pieces.map((piece) => splitter.push(piece)), splitter.end()];
  return { reasoning: deltas.map((delta) => delta.reasoning).join(""), content: deltas.map((delta) => delta.content).join("") };
}

it("takes the block at the start apart", () => {
  const want = { reasoning: "It is\n\na test.", content: "Yes. <think>" };
  expect(split(["<think>\nIt is\n\na test.\n</think>\n\nYes. <think>"])).toEqual(want);
  expect(split(["\nIt is\n\na test.\n</think>\n\nYes. <think>"], true)).toEqual(want);
  expect(split(["\n\n</think>\n\nYes."], true)).toEqual({ reasoning: "", content: "Yes." });
});

it("leaves other text as it is", () => {
  for (const text of ["", " \n", "  <thin", "a <think>b</think>", "</think>x"])
    expect(split([text])).toEqual({ reasoning: "", content: text });
});

it("tells reasoning that never ends", () => {
  expect(split(["because </thi"], true)).toEqual({ reasoning: "because </thi", content: "" });
});

it("any cut of any text gives the same", () => {
  const part = fc.constantFrom("<think>", "</think>", "\n", " ", "a", "<", "</", "think>");
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), fc.boolean(), (parts, opened) => {
      const text = parts.join("");
      const want = split([text], opened);
      expect(split([...text], opened)).toEqual(want);
      expect(split(parts, opened)).toEqual(want);
      expect((want.reasoning + want.content).replace(/\s/g, "").length).toBeGreaterThanOrEqual(
        text.replace(/\s|<think>|<\/think>/g, "").length,
      );
    }),
    { numRuns: 2000 },
  );
});
