import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ToolCallParser } from "../../ts/api/tools/call-parser.ts";
import type { ToolEvent } from "../../ts/api/tools/call-reader.ts";
import { type ToolFormat, toolFormat } from "../../ts/api/tools/format.ts";
import type { FunctionTool } from "../../ts/api/types.ts";

const tool = (name: string, properties: Record<string, unknown>): FunctionTool => ({
  type: "function",
  function: { name, parameters: { type: "object", properties } },
});
const tools = [
  tool("weather", { city: { type: "string" }, days: { type: "integer" }, units: { enum: ["C", "F"] }, tags: { type: "array" } }),
  tool("time", {}),
];

interface Read {
  content: string;
  calls: { name: string; arguments: string; whole: boolean }[];
}

/** The answer that the events make, from the text in these pieces. */
function read(format: ToolFormat, pieces: readonly string[]): Read {
  const parser = new ToolCallParser(format, tools);
  const answer: Read = { content: "", calls: [] };
  const take = (event: ToolEvent) => {
    if (event.type === "content") answer.content += event.text;
    else if (event.type === "call") answer.calls.push({ name: event.name, arguments: "", whole: false });
    else if (event.type === "arguments") answer.calls.at(-1)!.arguments += event.text;
    else answer.calls.at(-1)!.whole = true;
  };
  for (const piece of pieces) parser.push(piece).forEach(take);
  parser.end().forEach(take);
  return answer;
}
const whole = (format: ToolFormat, text: string) => read(format, [text]);

const XML = `Let me look.

<tool_call>
<function=weather>
<parameter=city>
Bad Ischl
  "old" town
</parameter>
<parameter=days>
3
</parameter>
<parameter=tags>
["a", {"b": null}]
</parameter>
</function>
</tool_call>
<tool_call>
<function=time>
</function>
</tool_call>`;

const JSON_CALLS = `Let me look.
<tool_call>
{"name": "weather", "arguments": {"city": "Bad {Ischl}\\" </tool_call>", "tags": [{"b": "]"}]}}
</tool_call>
<tool_call>
{"name": "time", "arguments": {}}
</tool_call>
`;

describe("tool calls", () => {
  it("reads the format of Qwen3-Coder and Qwen3.5, values typed by the schema", () => {
    const { content, calls } = whole("xml", XML);
    expect(content).toBe("Let me look.");
    expect(calls.map(({ name, whole }) => [name, whole])).toEqual([["weather", true], ["time", true]]); // biome-ignore format: a table
    expect(calls.map((call) => JSON.parse(call.arguments))).toEqual([
      { city: 'Bad Ischl\n  "old" town', days: 3, tags: ["a", { b: null }] },
      {},
    ]);
  });

  it("reads the Hermes format of Qwen3 and Qwen3-Next", () => {
    const { content, calls } = whole("json", JSON_CALLS);
    expect(content).toBe("Let me look.");
    expect(calls.map(({ name, whole }) => [name, whole])).toEqual([["weather", true], ["time", true]]); // biome-ignore format: a table
    expect(JSON.parse(calls[0]!.arguments)).toEqual({ city: 'Bad {Ischl}" </tool_call>', tags: [{ b: "]" }] });
  });

  it("tells arguments as they come", () => {
    const parser = new ToolCallParser("xml", tools);
    const events = parser.push("<tool_call>\n<function=weather>\n<parameter=city>\nVien");
    expect(events).toEqual([
      { type: "call", name: "weather" },
      { type: "arguments", text: '{"city": ' },
      { type: "arguments", text: '"' },
      { type: "arguments", text: "Vien" },
    ]);
    const json = new ToolCallParser("json", tools);
    json.push('<tool_call>{"name": "weather", "arguments": ');
    expect(json.push('{"city": "Vi')).toEqual([
      { type: "call", name: "weather" },
      { type: "arguments", text: '{"city": "Vi' },
    ]);
  });

  it.each([
    ["xml", XML],
    ["json", JSON_CALLS],
  ] as const)("gives the same for every cut of the text: %s", (format, text) => {
    const want = whole(format, text);
    expect(read(format, [...text])).toEqual(want);
    for (let at = 0; at <= text.length; at++) expect(read(format, [text.slice(0, at), text.slice(at)])).toEqual(want);
  });

  it("tells what there is of a call that was cut off", () => {
    expect(whole("xml", "<tool_call>\n<function=weather>\n<parameter=city>\nVien").calls).toEqual([
      { name: "weather", arguments: '{"city": "Vien', whole: false },
    ]);
    expect(whole("json", '<tool_call>\n{"name": "weather", "arguments": {"city": "Vi').calls).toEqual([
      { name: "weather", arguments: '{"city": "Vi', whole: false },
    ]);
    expect(whole("json", '<tool_call>\n{"name": "wea')).toEqual({ content: '<tool_call>\n{"name": "wea', calls: [] });
    expect(whole("xml", "<tool_call>\n<func")).toEqual({ content: "<tool_call>\n<func", calls: [] });
  });

  it("gives damaged calls back as content", () => {
    for (const text of ["<tool_call>not a call</tool_call>", "a <tool_call>{name: weather}</tool_call> b", "<tool_call>"]) {
      expect(whole("json", text)).toEqual({ content: text, calls: [] });
      expect(whole("xml", text)).toEqual({ content: text, calls: [] });
    }
    const broken = whole("xml", "<tool_call><function=weather><parameter=city>\nx\n</parameter> oops </function></tool_call>");
    expect(broken.calls).toEqual([{ name: "weather", arguments: '{"city": "x"}', whole: true }]);
    expect(broken.content).toBe(" oops </function></tool_call>");
  });

  it("reads calls without the outer marker, in another order, without arguments, with Python's constants", () => {
    expect(whole("xml", "<function=time>\n</function>").calls).toEqual([{ name: "time", arguments: "{}", whole: true }]);
    expect(whole("xml", "see <function=unknown>").content).toBe("see <function=unknown>");
    expect(whole("json", '<tool_call>{"arguments": {"days": 1}, "name": "weather"}</tool_call>').calls).toEqual([
      { name: "weather", arguments: '{"days":1}', whole: true },
    ]);
    expect(whole("json", '<tool_call>{"name": "time"}</tool_call>').calls).toEqual([{ name: "time", arguments: "{}", whole: true }]);
    const typed = "<tool_call><function=weather><parameter=days>True</parameter><parameter=units>F</parameter></function></tool_call>";
    expect(whole("xml", typed).calls[0]!.arguments).toBe('{"days": true, "units": "F"}');
  });

  it("escapes raw line breaks in JSON strings", () => {
    const [call] = whole("json", '<tool_call>{"name": "weather", "arguments": {"city": "a\nb"}}</tool_call>').calls;
    expect(JSON.parse(call!.arguments)).toEqual({ city: "a\nb" });
  });

  it("leaves text without calls as it is", () => {
    for (const text of ["  a < b\n", "<tool", "\n\n", "<parameter=x>", "</tool_call>"]) expect(whole("xml", text).content).toBe(text);
  });

  // Pieces of both formats in any order: mostly damaged. A word stands for any text of the model's.
  const markup = fc.constantFrom(
    ...["<tool_call>", "</tool_call>", "<function=weather>", "<function=other>", "</function>", "<parameter=city>", "<parameter=days>"],
    ...["</parameter>", "\n", " ", '{"name": "weather", "arguments": {', '"city": "', '"', "}", "}}", ", ", "{", "<", "\\", "ß😀"],
  );
  const word = fc.nat(999).map((n) => `w${n}w`);
  const texts = fc.array(fc.oneof(markup, word), { maxLength: 24 }).map((parts) => parts.join(""));

  it.each(["xml", "json"] as const)("any text, however cut, gives the same and loses no word: %s", (format) => {
    fc.assert(
      fc.property(texts, fc.array(fc.nat(200), { maxLength: 8 }), (text, cuts) => {
        const want = whole(format, text);
        const places = [0, ...cuts.map((cut) => cut % (text.length + 1)), text.length].sort((a, b) => a - b);
        expect(
          read(
            format,
            places.slice(1).map((end, i) => text.slice(places[i], end)),
          ),
        ).toEqual(want);
        expect(read(format, text.split(""))).toEqual(want);
        const told = want.content + want.calls.map((call) => call.name + call.arguments).join(" ");
        for (const spoken of text.match(/w\d+w/g) ?? []) expect(told).toContain(spoken);
        if (!/<tool_call>|<function=/.test(text)) expect(want).toEqual({ content: text, calls: [] });
        for (const call of want.calls) if (call.whole && format === "xml") JSON.parse(call.arguments);
      }),
      { numRuns: 2000 },
    );
  });

  it("tells the format from the chat template", () => {
    expect(toolFormat("…<tool_call>\\n<function=example>…")).toBe("xml");
    expect(toolFormat('…<tool_call>\\n{"name": …}')).toBe("json");
  });
});
