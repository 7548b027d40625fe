import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, describe, expect, it } from "vitest";
import { ChatCompletions } from "../../ts/api/chat.ts";
import type { GeneratedToken, GenerationRequest } from "../../ts/api/generator.ts";
import { chatLoop } from "../../ts/cli/chat-loop.ts";
import { Conversation } from "../../ts/cli/conversation.ts";
import { nextTask } from "../../ts/engine/next-task.ts";
import { ScriptedModel } from "../api/scripted.ts";
import { tandem } from "./tandem.ts";

const folder = mkdtempSync(join(tmpdir(), "tandem-chat-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Lets keys come in between tokens, as a queue does. */
class PacedModel extends ScriptedModel {
  override async *generate(request: GenerationRequest): AsyncGenerator<GeneratedToken, void, undefined> {
    for await (const token of super.generate(request)) {
      await nextTask();
      yield token;
    }
  }
}

/** A chat with a scripted model on a terminal made of pipes. */
function talk(interactive: boolean, ...answers: string[]) {
  const model = new PacedModel("thinking", ...answers);
  const chat = new Conversation({ chat: { completions: new ChatCompletions(model) } }, { temperature: 0 });
  const input = new PassThrough();
  const output = Object.assign(new PassThrough(), { rows: 24, columns: 80 });
  const notes: string[] = [];
  let shown = "";
  output.on("data", (bytes) => {
    shown += bytes;
  });
  const stop = new AbortController();
  const streams = { input, output, notes: { write: (text: string) => notes.push(text) }, interactive };
  const done = chatLoop(chat, streams, stop.signal);
  const until = async (holds: () => boolean) => {
    while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2));
  };
  return { model, chat, input, notes, stop, done, until, shown: () => shown };
}

describe("tandem chat", () => {
  it("answers line by line, keeps the chat, and obeys commands", async () => {
    const { model, chat, input, notes, done, shown } = talk(false, "so</think>One.", "hm</think>Two.", "oh</think>Three.");
    const file = join(folder, "chat.json");
    const lines = ["/system Be short.", "first", "second", "/regen", "/set temp 0.7", "/set", `/save ${file}`, "/clear", "third"];
    input.end([...lines, `/load ${file}`, "/nope", "/set temp -1", "/load nowhere", "/exit", "never"].map((line) => `${line}\n`).join(""));
    await done;
    expect(shown()).toBe("so\nOne.\nhm\nTwo.\noh\nThree.\noh\nThree.\n");
    const regenerated = { role: "assistant", content: "Three.", reasoning_content: "oh" };
    expect(chat.messages.map(({ role }) => role)).toEqual(["system", "user", "assistant", "user", "assistant"]);
    expect(chat.messages.at(-1)).toEqual(regenerated);
    expect(chat.settings.temperature).toBe(0.7);
    expect(JSON.parse(readFileSync(file, "utf8")).messages.at(-1)).toEqual(regenerated);
    expect(model.prompt).toContain("Be short.");
    expect(model.prompt).not.toContain("second"); // /clear came before the last question
    const told = notes.join("");
    expect(told).toContain("temp               0.7");
    expect(told).toContain("there is no /nope: /help lists what there is");
    expect(told).toContain('/set temp: wanted a number of at least 0 or default, got "-1"');
    expect(told).toContain("/load: nowhere cannot be read");
    expect(told).toMatch(/\[\d+ tokens, .*; prompt of \d+ tokens, 7 known before\]/);
  });

  it("refuses a file that holds no chat, and changes nothing", async () => {
    const chat = new Conversation({ chat: { completions: new ChatCompletions(new ScriptedModel("plain", "x")) } }, {}, "Stay.");
    const file = join(folder, "other.json");
    for (const text of ["", "null", "[]", '{"messages":[{"role":"tool","content":""}]}', '{"messages":[null]}']) {
      writeFileSync(file, text);
      await expect(chat.load(file)).rejects.toThrow("/load: ");
    }
    expect(chat.system).toBe("Stay.");
    await expect(chat.save(join(folder, "no", "such"))).rejects.toThrow("cannot be written");
  });

  it("on a terminal: arrow keys bring lines back, Ctrl-C ends the answer and not the program", async () => {
    const { model, chat, input, notes, done, until, shown } = talk(
      true,
      "</think>Short.",
      `</think>${"long ".repeat(2000)}`,
      "</think>Last.",
    );
    input.write("hello\r");
    await until(() => notes.length === 1);
    input.write("\x1b[A\r"); // the line before, again
    await until(() => shown().includes("long long"));
    input.write("\x03");
    await until(() => notes.length === 2);
    expect(notes[1]).toMatch(/^\[ended; /);
    expect(model.open).toBe(0);
    const questions = () => chat.messages.filter(({ role }) => role === "user").map(({ content }) => content);
    expect(questions()).toEqual(["hello", "hello"]);
    input.write("typed in vain\x03");
    input.write("\x03");
    await until(() => notes.some((note) => note.includes("/exit or Ctrl-D leaves")));
    input.write("more\r");
    await until(() => notes.length === 4);
    expect(chat.messages.at(-1)!.content).toBe("Last.");
    expect(questions()).toEqual(["hello", "hello", "more"]);
    input.write("\x04");
    await done;
    expect(shown()).toContain("\x1b[1;23r"); // the last row was kept for the speed, and given back
    expect(shown().lastIndexOf("\x1b[r")).toBeGreaterThan(shown().lastIndexOf("\x1b[1;23r"));
  });

  it("as a command, with lines from a pipe", () => {
    const { stdout, stderr, status } = tandem(["chat", "--temp", "0", "-n", "6", "-c", "256"], "What is nginx?\nAnd what is apt?\n/exit\n");
    expect(stdout.trim().split("\n").length).toBeGreaterThanOrEqual(2);
    expect(stderr).toMatch(/prompt of \d+ tokens, [1-9]\d* known before/);
    expect(status).toBe(0);
  });
});
