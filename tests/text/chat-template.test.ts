import { describe, expect, it } from "vitest";
import { InvalidArgumentError, UnsupportedModelError } from "../../ts/errors.ts";
import { type ChatMessage, ChatTemplate } from "../../ts/text/chat-template.ts";
import { byteVocabulary, dataText, MINI, metadataOf } from "./helpers.ts";

const user: ChatMessage = { role: "user", content: "hi" };
const render = (source: string, kwargs: Record<string, unknown> = {}, messages: ChatMessage[] = [user]) =>
  new ChatTemplate(source, { bosToken: "<s>", eosToken: "</s>" }).render({ messages, kwargs });

// Shaped as the family's templates are: tools, reasoning, calls with object arguments, a refusal.
const FAMILY = `{%- macro block(role, text) %}{{- '<|im_start|>' ~ role ~ '\\n' ~ text ~ '<|im_end|>\\n' }}{%- endmacro %}
{%- set ns = namespace(asked=false) %}
{%- if tools %}{%- for tool in tools %}{{- block('system', tool | tojson) }}{%- endfor %}{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'user' %}{%- set ns.asked = true %}{{- block('user', message.content) }}
    {%- elif message.role == 'assistant' %}
        {%- set text = message.content if message.content is string else '' %}
        {%- for call in message.tool_calls or [] %}
            {%- set text = text ~ '<tool_call>' ~ call.function.name %}
            {%- for key, value in call.function.arguments | items %}
                {%- set text = text ~ ' ' ~ key ~ '=' ~ (value if value is string else value | tojson) %}
            {{- text }}
            {%- endfor %}
        {%- endfor %}
    {%- else %}{{- raise_exception('Unexpected role ' ~ message.role) }}
    {%- endif %}
{%- endfor %}
{%- if not ns.asked %}{{- raise_exception('No user query found') }}{%- endif %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}{%- endif %}`;

describe("ChatTemplate", () => {
  it("renders the prompts of the embedded model", async () => {
    const template = ChatTemplate.fromMetadata(await metadataOf(MINI));
    expect(template.isFallback).toBe(false);
    const { greedy } = JSON.parse(dataText("qwen3next-mini.json")) as { greedy: { prompt: string }[] };
    const chats = greedy.filter(({ prompt }) => prompt.startsWith("<|im_start|>user\n"));
    expect(chats.length).toBeGreaterThan(1);
    for (const { prompt } of chats) {
      const content = prompt.slice("<|im_start|>user\n".length, prompt.indexOf("<|im_end|>"));
      expect(template.render({ messages: [{ role: "user", content }] })).toBe(prompt);
    }
  });

  it("leaves the head of the answer out when asked", () => {
    const template = new ChatTemplate(FAMILY);
    expect(template.render({ messages: [user] })).toBe("<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
    expect(template.render({ messages: [user], addGenerationPrompt: false })).toBe("<|im_start|>user\nhi<|im_end|>\n");
  });

  it("passes tools and enable_thinking on", () => {
    const tools = [{ type: "function", function: { name: "f" } }];
    const text = new ChatTemplate(FAMILY).render({ messages: [user], tools, enableThinking: false });
    expect(text).toContain('<|im_start|>system\n{"type": "function", "function": {"name": "f"}}<|im_end|>');
    expect(text).toMatch(/assistant\n<think>\n\n<\/think>\n\n$/);
    expect(new ChatTemplate("{{ tools is defined }}|{{ enable_thinking is defined }}").render({ messages: [], tools: [] })).toBe(
      "false|false",
    );
  });

  it("gives templates the arguments of tool calls as objects", () => {
    const calling = (given: string | Record<string, unknown>): ChatMessage => ({
      role: "assistant",
      content: null,
      tool_calls: [{ type: "function", function: { name: "f", arguments: given } }],
    });
    const written = new ChatTemplate(FAMILY).render({ messages: [user, calling('{"a": "x", "b": [1]}')] });
    expect(written).toContain("<tool_call>f a=x");
    expect(written).toBe(new ChatTemplate(FAMILY).render({ messages: [user, calling({ a: "x", b: [1] })] }));
    const kind = "{{ messages[0].tool_calls[0].function.arguments is string }}";
    for (const text of ["not json", "[1]", "3"]) expect(render(kind, {}, [calling(text)])).toBe("true");
  });

  it("knows bos_token, eos_token, range, namespace and kwargs", () => {
    expect(render("{{ bos_token }}{{ eos_token }}{% for i in range(1, 4) %}{{ i }}{% endfor %}{{ x.y }}", { x: { y: "!" } })).toBe(
      "<s></s>123!",
    );
    expect(render("{{ range(5, 0, -2) | join(',') }}")).toBe("5,3,1");
    expect(render("{{ range }}", { range: "mine" })).toBe("mine");
    expect(render("{{ namespace }}", { namespace: "mine" })).toBe("mine");
    const metadata = byteVocabulary();
    metadata.set("tokenizer.chat_template", "{{ bos_token }}{{ eos_token }}");
    expect(ChatTemplate.fromMetadata(metadata).render({ messages: [] })).toBe("<|endoftext|><|im_end|>");
  });

  it("formats the given time in English", () => {
    const now = new Date(2026, 2, 4, 15, 6, 7);
    const source = "{{ strftime_now('%A %d %B %Y, %H:%M:%S|%a %b %e %y %I %p|%F|%%|%Q') }}";
    expect(new ChatTemplate(source).render({ messages: [], now })).toBe(
      "Wednesday 04 March 2026, 15:06:07|Wed Mar  4 26 03 PM|2026-03-04|%|%Q",
    );
  });

  it("falls back to ChatML when the file has no template", () => {
    const template = ChatTemplate.fromMetadata(byteVocabulary());
    expect(template.isFallback).toBe(true);
    const messages: ChatMessage[] = [
      { role: "system", content: "s" },
      { role: "user", content: [{ type: "text", text: "a" }, { type: "image" }, { type: "text", text: "b" }] },
      { role: "assistant", content: null },
    ];
    expect(template.render({ messages })).toBe(
      "<|im_start|>system\ns<|im_end|>\n<|im_start|>user\nab<|im_end|>\n<|im_start|>assistant\n<|im_end|>\n<|im_start|>assistant\n",
    );
  });
});

describe("a failing template", () => {
  it("refuses with its own words and place", () => {
    const refuse = () => new ChatTemplate(FAMILY).render({ messages: [{ role: "system", content: "s" }] });
    expect(refuse).toThrow(InvalidArgumentError);
    expect(refuse).toThrow(
      'the chat template refuses this conversation at `raise_exception("Unexpected role " ~ message.role)`: Unexpected role system',
    );
  });

  it("names the expression that failed", () => {
    const source = "{% for m in messages %}{{ 'x' + m.content.nothing() }}{% endfor %}";
    expect(() => render(source)).toThrow(InvalidArgumentError);
    expect(() => render(source)).toThrow(
      /^the chat template fails at `m\.content\.nothing\(\)`: Cannot call something that is not a function/,
    );
    expect(() => render("{% for x in 3 %}{% endfor %}")).toThrow("fails at `{%- for x in 3 -%}`");
    expect(() => render("{{ range(0, 10, 0) }}")).toThrow("does not end within 1000000 numbers");
  });

  it("still knows break and continue", () => {
    const source =
      "{% for i in range(9) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}";
    expect(render(source)).toBe("023");
  });

  it("is refused at once when it is no jinja", () => {
    expect(() => new ChatTemplate("{% if %}")).toThrow(UnsupportedModelError);
    expect(() => new ChatTemplate("{% for %}")).toThrow("tokenizer.chat_template is no jinja template that runs here: ");
    const metadata = byteVocabulary();
    metadata.set("tokenizer.chat_template", 3);
    expect(() => ChatTemplate.fromMetadata(metadata)).toThrow("tokenizer.chat_template must be a string, got number");
  });
});
