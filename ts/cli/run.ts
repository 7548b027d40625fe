import { type Command, Option } from "commander";
import type { Context } from "../engine/context.ts";
import { type ChatMessage, ContextOverflowError, type ExpertStats, type GenerateOptions, generate, type Model } from "../index.ts";
import { UsageError } from "./errors.ts";
import { createContext, loadWithProgress, modelPath } from "./load.ts";
import {
  addContextOptions,
  addModelOptions,
  addOutputOptions,
  addSamplerOptions,
  type ContextFlags,
  contextOptions,
  fileOption,
  type ModelFlags,
  type OutputFlags,
  promptOption,
  type SamplerFlags,
  samplerOptions,
} from "./options.ts";
import { type ProfileFlags, profileOption, showProfile } from "./profile.ts";
import { Progress } from "./progress.ts";
import { type PromptFlags, readPrompt } from "./prompt.ts";
import { showBytes, type Terminal } from "./terminal.ts";
import { text, valueOption, whole } from "./values.ts";

interface RunFlags extends ModelFlags, ContextFlags, SamplerFlags, OutputFlags, PromptFlags, ProfileFlags {
  readonly predict?: number;
  readonly system?: string;
  readonly raw?: boolean;
}

/** What an answer was, and how long it took. */
interface Answer {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly finishReason: "stop" | "length";
  readonly promptTokens: number;
  /** Prompt processing and text generation, tokens a second; null where there was too little to time. */
  readonly timings: { readonly pp: number | null; readonly tg: number | null };
}

export function addRun(program: Command, terminal: Terminal): void {
  const command = program.command("run").description("answer a prompt").argument("[prompt...]", "the prompt, in words");
  command
    .addOption(promptOption())
    .addOption(fileOption("the prompt, from a file"))
    .addOption(valueOption("--system <text>", "system message", text));
  command.addOption(new Option("--raw", "continue the prompt as plain text, without the chat template"));
  addModelOptions(command);
  command.addOption(valueOption("-n, --predict <n>", "tokens to generate at most; -1: until the model ends", whole(-1, 2 ** 31)));
  addContextOptions(command, "what the model was trained for, at most 4096");
  addSamplerOptions(command);
  addOutputOptions(command, "print one JSON object at the end: text, tokens, finishReason, promptTokens, timings");
  command.addOption(profileOption());
  command.action((words: string[]) => run(words, command.opts<RunFlags>(), terminal));
}

async function run(words: readonly string[], flags: RunFlags, terminal: Terminal): Promise<void> {
  if (flags.raw && flags.system !== undefined) throw new UsageError("--system: wanted a chat, got --raw too: leave one of them away");
  const prompt = await readPrompt(words, flags, terminal.signal);
  const path = modelPath(flags.model, terminal);
  using model = await loadWithProgress(path, flags, terminal);
  const sampling = samplerOptions(flags, model.tokenizer.vocabularySize);
  using context = await createContext(model, { ...contextOptions(flags, model.config), profile: Boolean(flags.profile) }, flags, terminal);
  const tokens = encodePrompt(model, prompt, flags);
  const { contextLength } = context.shape;
  if (tokens.length > contextLength) {
    throw new ContextOverflowError(
      `the prompt has ${tokens.length} tokens, the context holds ${contextLength}: raise -c/--ctx-size to more than ${tokens.length}`,
    );
  }
  const maxTokens = flags.predict === undefined || flags.predict < 0 ? undefined : flags.predict;
  const show = flags.json ? () => undefined : terminal.print;
  const answer = await answerPrompt(model, context, tokens, { ...sampling, maxTokens, signal: terminal.signal }, show);
  if (flags.json) terminal.print(`${JSON.stringify(answer)}\n`);
  terminal.tell(statistics(answer));
  if (model.expertStats) terminal.tell(cacheStatistics(model.expertStats));
  await showProfile(context, flags, terminal);
}

/** The prompt as one user message in the model's own template, or as it is. */
function encodePrompt(model: Model, prompt: string, { raw, system }: RunFlags): number[] {
  if (raw) return model.tokenizer.encode(prompt);
  const messages: ChatMessage[] = [
    ...(system === undefined ? [] : [{ role: "system", content: system }]),
    { role: "user", content: prompt },
  ];
  return model.tokenizer.encode(model.chatTemplate.render({ messages }), { addSpecial: false, parseSpecial: true });
}

/** Generates, showing text as it comes; ends the last line also when it is interrupted. */
async function answerPrompt(
  model: Model,
  context: Context,
  prompt: readonly number[],
  options: GenerateOptions,
  show: (text: string) => void,
): Promise<Answer> {
  const progress = new Progress(process.stderr, "reading the prompt");
  const start = performance.now();
  let promptRead = start;
  const onPrompt: GenerateOptions["onPrompt"] = ({ readTokens, totalTokens }) => {
    promptRead = performance.now();
    if (readTokens === totalTokens) progress.clear();
    else progress.update(readTokens, totalTokens, `${readTokens} of ${totalTokens} tokens`);
  };
  let answer = "";
  let finishReason: Answer["finishReason"] = "length";
  const tokens: number[] = [];
  try {
    for await (const piece of generate(context, model.tokenizer, prompt, { ...options, onPrompt })) {
      tokens.push(piece.token);
      answer += piece.text;
      if (piece.text) show(piece.text);
      finishReason = piece.finishReason ?? finishReason;
    }
  } finally {
    progress.clear();
    if (answer && !answer.endsWith("\n")) show("\n");
  }
  const end = performance.now();
  // The first token comes from the prompt's logits: one decode fewer than tokens.
  const timings = { pp: rate(prompt.length, promptRead - start), tg: rate(tokens.length - 1, end - promptRead) };
  return { text: answer, tokens, finishReason, promptTokens: prompt.length, timings };
}

function rate(tokens: number, milliseconds: number): number | null {
  return tokens > 0 && milliseconds > 0 ? (1000 * tokens) / milliseconds : null;
}

function statistics({ promptTokens, tokens, finishReason, timings }: Answer): string {
  const speed = (value: number | null) => (value === null ? "" : `, ${value.toFixed(1)} t/s`);
  const end = finishReason === "stop" ? "the model ended" : "stopped at the limit (-n or -c)";
  return `prompt: ${promptTokens} tokens${speed(timings.pp)}; generated: ${tokens.length} tokens${speed(timings.tg)}; ${end}`;
}

function cacheStatistics({ hits, misses, readBytes, readMs, slots, experts }: ExpertStats): string {
  const rate = hits + misses === 0 ? "unused" : `${((100 * hits) / (hits + misses)).toFixed(1)} % found`;
  const read = `${showBytes(readBytes)} read in ${(readMs / 1000).toFixed(2)} s`;
  return `experts: ${rate}, ${read}; room for ${slots} of ${experts}`;
}
