import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { Constraint, type ConstraintOptions } from "../../ts/api/grammar/constraint.ts";
import { Grammars } from "../../ts/api/grammar/grammars.ts";
import { integerRange, numberRange } from "../../ts/api/schema/numbers.ts";
import { SchemaGrammar } from "../../ts/api/schema/schema-grammar.ts";
import { writeGrammar } from "../../ts/api/schema/terminals.ts";
import { callGrammar, callsGrammar } from "../../ts/api/tools/call-grammar.ts";
import { ToolCallParser } from "../../ts/api/tools/call-parser.ts";
import type { FunctionTool } from "../../ts/api/types.ts";
import { DisposedError, InvalidArgumentError, UnsupportedSchemaError } from "../../ts/errors.ts";
import { Tokenizer } from "../../ts/text/tokenizer.ts";
import { byteVocabulary, mergedVocabulary } from "../text/helpers.ts";

const tokenizer = new Tokenizer(byteVocabulary());
const grammars = new Grammars(tokenizer);
const [END, THINK] = [257, 258];
afterAll(() => grammars.dispose());

/** A grammar of numbers as a regular expression: both write classes, groups and counts alike. */
const pattern = (ebnf: string | undefined) =>
  new RegExp(`^(${ebnf!.replace(/"([^"]*)"| +/g, (_, literal: string | undefined) => (literal ?? "").replaceAll(".", "\\."))})$`);

describe("numbers", () => {
  it("integerRange is exact", () => {
    const near = (edge: number) => [edge - 1, edge, edge + 1, 10 * edge, Math.trunc(edge / 10)];
    const bound = fc.oneof(fc.integer({ min: -130, max: 130 }), fc.integer({ min: -1e6, max: 1e6 }));
    fc.assert(
      fc.property(bound, bound, fc.integer({ min: -1e6, max: 1e6 }), (a, b, other) => {
        const [min, max] = [Math.min(a, b), Math.max(a, b)];
        const range = pattern(integerRange(min, max));
        for (const value of [...near(min), ...near(max), other, 0]) expect(range.test(String(value))).toBe(value >= min && value <= max);
      }),
    );
    expect(integerRange(2, 1)).toBeUndefined();
  });

  it("numberRange is exact for decimals", () => {
    const bound = fc.integer({ min: -120, max: 120 });
    const decimal = fc.integer({ min: -130_000, max: 130_000 }).map((value) => value / 1000);
    fc.assert(
      fc.property(bound, bound, fc.boolean(), fc.boolean(), decimal, (a, b, exclusiveMin, exclusiveMax, value) => {
        const [min, max] = [Math.min(a, b), Math.max(a, b) + 1];
        const range = pattern(numberRange({ min, max, exclusiveMin, exclusiveMax }));
        const within = (x: number) => (exclusiveMin ? x > min : x >= min) && (exclusiveMax ? x < max : x <= max);
        for (const x of [value, min, max, min + 0.5, max - 0.25, min - 0.5, max + 0.125, 0]) expect(range.test(String(x))).toBe(within(x));
      }),
    );
  });
});

describe("schemas", () => {
  it("refuses what it cannot hold, by its place", () => {
    const bad: [unknown, string][] = [
      [false, "/"],
      [{ properties: { a: { items: { not: {} } } } }, "/properties/a/items/not"],
      [{ type: "string", pattern: "^(?!a)b$" }, "/pattern"],
      [{ type: "string", pattern: "[\\u{1f600}-\\u{1f64f}]" }, "/pattern"],
      [{ type: "string", pattern: "(a)\\1" }, "/pattern"],
      [{ type: "string", pattern: "(^a)" }, "/pattern"],
      [{ type: "string", pattern: "(a$)" }, "/pattern"],
      [{ type: "string", pattern: "a)" }, "/pattern"],
      [{ type: "string", pattern: "^a$", maxLength: 3 }, "/"],
      [{ type: "array", uniqueItems: true }, "/uniqueItems"],
      [{ type: "number", multipleOf: 0.1 }, "/multipleOf"],
      [{ type: "integer", minimum: 3, maximum: 2 }, "/"],
      [{ type: "colour" }, "/type"],
      [{ $ref: "#/$defs/x" }, "/$ref"],
      [{ oneOf: [{ type: "integer" }, { type: "number" }] }, "/oneOf"],
      [{ anyOf: [{}], required: ["a"] }, "/"],
      [{ enum: [1], type: "string" }, "/"],
      [{ type: "object", properties: { "a/b": { type: "string", minLength: -1 } } }, "/properties/a~1b/minLength"],
    ];
    for (const [schema, path] of bad) {
      const convert = () => new SchemaGrammar(schema).expression(schema);
      expect(convert, JSON.stringify(schema)).toThrow(UnsupportedSchemaError);
      expect(convert).toThrow(expect.objectContaining({ path }));
    }
  });

  it("takes schemas that refer to themselves", async () => {
    const schema = { $ref: "#/$defs/tree", $defs: { tree: { type: "object", properties: { on: { $ref: "#/$defs/tree" } } } } };
    const rules = new Map<string, string>();
    const open = await grammars.compile(writeGrammar(new SchemaGrammar(schema, rules).expression(schema), rules), { open: true });
    using mask = { mask: open(), [Symbol.dispose]() { this.mask.dispose(); } }; // biome-ignore format: one line
    expect(await mask.mask.acceptText('{"on": {"on": {}}}')).toBe(true);
    expect((await mask.mask.accept([])).finished).toBe(true);
  });

  it("tells what is wrong with a grammar, and goes on", async () => {
    await expect(grammars.compile("root ::= other")).rejects.toThrow(InvalidArgumentError);
    await expect(grammars.compile("root ::= [")).rejects.toThrow(/grammar: xgrammar cannot read it: /);
    expect(await (await grammars.compile('root ::= "a"'))().acceptText("a")).toBe(true);
  });

  it("masks that are open go on where a bad grammar has ended xgrammar's instance, and good grammars open again", async () => {
    const open = await grammars.compile('root ::= "a" "b" "c"');
    const mask = open();
    expect((await mask.accept(tokenizer.encode("a"))).taken).toBe(1);
    await expect(grammars.compile("root ::= (")).rejects.toThrow(InvalidArgumentError);
    expect((await mask.accept(tokenizer.encode("b"))).taken).toBe(1);
    await expect(mask.accept(tokenizer.encode("x"))).rejects.toThrow('the grammar does not allow token 120 ("x")');
    mask.dispose();
    expect(await open().acceptText("abc")).toBe(true);
  });

  it("whoever gives up waits no longer, and the grammar is there for the next", async () => {
    const abort = new AbortController();
    const schema = { type: "string", maxLength: 3000 };
    const text = writeGrammar(new SchemaGrammar(schema).expression(schema), new Map());
    const given = grammars.compile(text, { signal: abort.signal });
    const patient = grammars.compile(text);
    abort.abort(new Error("enough"));
    await expect(given).rejects.toThrow("enough");
    const others = await grammars.compile('root ::= "a"'); // in the other thread
    expect(await others().acceptText("a")).toBe(true);
    expect(await (await patient)().acceptText('"x"')).toBe(true);
    await expect(grammars.compile(text, { signal: abort.signal })).rejects.toThrow("enough");
  });

  it("disposal ends what is under way", async () => {
    const own = new Grammars(tokenizer);
    const mask = (await own.compile('root ::= "a"'))();
    expect(await mask.acceptText("a")).toBe(true);
    const compiling = own.compile('root ::= "b"');
    own.dispose();
    await expect(compiling).rejects.toThrow(DisposedError);
    await expect(mask.accept([])).rejects.toThrow(DisposedError);
    await expect(own.compile('root ::= "a"')).rejects.toThrow(DisposedError);
    mask.dispose();
  });
});

/** The tokens that a constraint allows behind `text`. */
async function allowed(grammar: string, text: string, options: ConstraintOptions = {}): Promise<number[]> {
  const constraint = new Constraint(await grammars.compile(grammar, { open: options.again }), tokenizer, options);
  const logits = new Float32Array(tokenizer.vocabularySize);
  await constraint.prepare(tokenizer.encode(text));
  constraint.adjust(logits);
  constraint.dispose();
  return [...logits.keys()].filter((token) => logits[token] === 0);
}

describe("constraints", () => {
  const grammar = 'root ::= "ab" | "c"';
  const codes = (text: string) => [...text].map((character) => character.charCodeAt(0));

  it("allow what the grammar does, and the end where it ends", async () => {
    expect(await allowed(grammar, "")).toEqual(codes("ac"));
    expect(await allowed(grammar, "a")).toEqual(codes("b"));
    expect(await allowed(grammar, "c")).toEqual([256, END]);
    const any = await allowed("root ::= [^x]*", "");
    expect(any).toContain(THINK);
    expect(any).toContain(END);
    expect(any).not.toContain(259); // unused: it has no text
  });

  it("begin behind a marker", async () => {
    const after = ["</think>"];
    expect(await allowed(grammar, "hm </thin", { after })).toHaveLength(tokenizer.vocabularySize);
    expect(await allowed(grammar, "hm </think>", { after })).toEqual(codes("ac"));
  });

  it("come and go with their marker", async () => {
    const options = { after: ["</think>", "<x>"], again: true };
    expect(await allowed(grammar, "<x> </think>", options)).toHaveLength(tokenizer.vocabularySize);
    expect(await allowed(grammar, "</think>b <x>", options)).toEqual(codes("ac"));
    expect(await allowed(grammar, "</think>b <x>ab", options)).toHaveLength(tokenizer.vocabularySize);
    expect(await allowed(grammar, "</think>b <x>ab c <x>a", options)).toEqual(codes("b"));
  });
});

describe("strings", () => {
  const merges = ["a b", "ab ab", "abab abab", 'a "', 'ab "', "\\ n", "ab \\n", '" }', "} }"];
  const longTokens = new Tokenizer(mergedVocabulary(merges));
  const longGrammars = new Grammars(longTokens);
  const drawn = Array.from({ length: longTokens.vocabularySize }, (_, token) => token).filter((token) => token >= 260 || token === 97);

  /** Whether an object whose string has `least` to `most` characters can begin so. */
  function begins(text: string, least: number, most: number): boolean {
    const [whole, inside] = /^\{"s": "((?:[^"\\]|\\n)*)/.exec(text) ?? [];
    if (whole === undefined || inside === undefined) return '{"s": "'.startsWith(text);
    const left = text.slice(whole.length);
    const length = inside.replaceAll("\\n", "n").length;
    if (left === "\\") return length < most;
    return left === "" ? length <= most : length >= least && length <= most && (left === '"' || left === '"}');
  }

  it("masks allow exactly the tokens that keep a string within its bounds, blocks and their borders included", async () => {
    for (const [least, most] of [
      [0, 3],
      [2, 9],
      [0, 64],
      [70, 70],
      [10, 140],
      [65, 200],
    ] as const) {
      // biome-ignore format: a table
      const schema = { type: "object", properties: { s: { type: "string", minLength: least, maxLength: most } }, required: ["s"] };
      const rules = new Map<string, string>();
      const open = await longGrammars.compile(writeGrammar(new SchemaGrammar(schema, rules).expression(schema), rules));
      for (const step of [1, 3, 8]) {
        const constraint = new Constraint(open, longTokens);
        const tokens = longTokens.encode('{"s": "');
        for (let length = 0; ; length += step) {
          const logits = new Float32Array(longTokens.vocabularySize);
          await constraint.prepare(tokens);
          constraint.adjust(logits);
          const text = longTokens.decode(tokens);
          const allowed = drawn.filter((token) => logits[token] === 0);
          const wanted = drawn.filter((token) => begins(text + longTokens.decode([token]), least, most));
          expect(allowed, `${least} to ${most}, behind ${text}`).toEqual(wanted);
          if (length + step > most) break;
          tokens.push(...longTokens.encode("abababab".slice(0, step)));
        }
        constraint.dispose();
      }
    }
  });

  it("without a bound above have none", async () => {
    const schema = { type: "string", minLength: 100 };
    const open = await grammars.compile(writeGrammar(new SchemaGrammar(schema).expression(schema), new Map()), { open: true });
    for (const length of [99, 100, 1000]) {
      const mask = open();
      expect(await mask.acceptText(`"${"x".repeat(length)}"`)).toBe(length >= 100);
      mask.dispose();
    }
  });
});

describe("patterns", () => {
  const { email, uuid, datetime } = { email: z.email(), uuid: z.uuid(), datetime: z.iso.datetime() };
  const texts = ["", "a", "b", "ab", "aab", "a-b", "ä", "😀", " ", "x_9", "https://a.b/c", "me@here.org", "me@here", 'a"b', "a\\b", "a\nb", "2024-02-29T23:59:59Z", "2023-02-29T23:59:59Z", "123e4567-e89b-12d3-a456-426614174000"]; // biome-ignore format: a list

  it.each([
    ...[
      "^a+b$",
      "^(?:a|b)?$",
      "b",
      "^https://",
      "c$|^a$",
      "^[^@\\s]+@[^@\\s]+$",
      "^\\S*$",
      "^.$",
      "^.{2,3}?$",
      "^[\\w-]{1,}$",
      "^\\W$",
      "^[^a]$",
    ],
    ...['^a"b$', "^a\\\\b$", "^\\u00e4|\\x61\\n$", "^()$", "^[]-]$".replace("[]-]", "[\\]-]")],
    ...[email, uuid, datetime].map((type) => String(z.toJSONSchema(type).pattern)),
  ])("%s", async (pattern) => {
    const schema = { type: "string", pattern };
    const open = await grammars.compile(writeGrammar(new SchemaGrammar(schema).expression(schema), new Map()), { open: true });
    for (const text of texts) {
      const mask = open();
      const taken = (await mask.acceptText(JSON.stringify(text))) && (await mask.accept([])).finished;
      mask.dispose();
      const matches = new RegExp(pattern, "u").test(text);
      // Classes leave escaped characters out, and some those beyond ASCII.
      if (/^[ !#-[\]-~]*$/.test(text) || pattern === "^[^a]$") expect(taken, text).toBe(matches);
      else if (taken) expect(matches, text).toBe(true);
    }
  });
});

describe("tool calls", () => {
  const tools: FunctionTool[] = [
    {
      type: "function",
      function: {
        name: "order",
        parameters: {
          ...{ type: "object", required: ["what", "count"], additionalProperties: false },
          properties: {
            what: { type: "string", minLength: 1, maxLength: 6 },
            count: { type: "integer", minimum: -20, maximum: 120 },
            size: { enum: ["S", "M", "L"] },
            gift: { type: ["boolean", "null"] },
            parts: {
              type: "array",
              maxItems: 2,
              items: { type: "object", properties: { id: { type: "string", maxLength: 3 } }, required: ["id"] },
            },
          },
        },
      },
    },
    { type: "function", function: { name: "stop" } },
  ];

  /** Bytes drawn at random among those allowed, until the end. */
  async function write(grammar: string, random: () => number): Promise<string> {
    const constraint = new Constraint(await grammars.compile(grammar), tokenizer);
    const tokens: number[] = [];
    while (tokens.length < 2000) {
      const logits = Float32Array.from({ length: tokenizer.vocabularySize }, random);
      await constraint.prepare(tokens);
      constraint.adjust(logits);
      const token = logits.indexOf(logits.reduce((a, b) => Math.max(a, b)));
      if (tokenizer.isEndOfGeneration(token)) break;
      tokens.push(token);
    }
    constraint.dispose();
    return tokenizer.decode(tokens);
  }

  it.each(["json", "xml"] as const)("whatever is written within the grammar is read back, and validates: %s", async (format) => {
    const validate = new Ajv2020().compile(tools[0]!.function.parameters!);
    const rules = new Map<string, string>();
    const grammar = writeGrammar(
      callsGrammar(
        callGrammar(format, tools, rules, () => true),
        true,
      ),
      rules,
    );
    let state = 1;
    const random = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    const called = new Set<string>();
    for (let i = 0; i < 60; i++) {
      const text = await write(grammar, random);
      const parser = new ToolCallParser(format, tools);
      const events = [...parser.push(text), ...parser.end()];
      expect(
        events.filter((event) => event.type === "content"),
        text,
      ).toEqual([]);
      const calls: { name: string; given: string }[] = [];
      for (const event of events) {
        if (event.type === "call") calls.push({ name: event.name, given: "" });
        if (event.type === "arguments") calls.at(-1)!.given += event.text;
      }
      expect(calls.length).toBe(events.filter((event) => event.type === "end").length);
      for (const { name, given } of calls) {
        called.add(name);
        if (name === "stop") expect(given).toBe("{}");
        else expect(validate(JSON.parse(given)), `${text}: ${JSON.stringify(validate.errors)}`).toBe(true);
      }
    }
    expect([...called].sort()).toEqual(["order", "stop"]);
  });
});
