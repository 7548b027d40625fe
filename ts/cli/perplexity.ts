import type { Command } from "commander";
import type { Context } from "../engine/context.ts";
import { InvalidArgumentError, type Model } from "../index.ts";
import { UsageError } from "./errors.ts";
import { createContext, loadWithProgress, modelPath } from "./load.ts";
import {
  addContextOptions,
  addModelOptions,
  addOutputOptions,
  type ContextFlags,
  contextOptions,
  fileOption,
  type ModelFlags,
  type OutputFlags,
} from "./options.ts";
import { chunkPieces, negativeLogLikelihood, RunningPerplexity } from "./perplexity-score.ts";
import { type ProfileFlags, profileOption, showProfile } from "./profile.ts";
import { Progress } from "./progress.ts";
import { readText } from "./prompt.ts";
import type { Terminal } from "./terminal.ts";
import { ValueRow } from "./value-row.ts";
import { valueOption, whole } from "./values.ts";

interface PerplexityFlags extends ModelFlags, ContextFlags, OutputFlags, ProfileFlags {
  readonly file?: string;
  readonly chunks?: number;
}

const DEFAULT_LENGTH = 512;

export function addPerplexity(program: Command, terminal: Terminal): void {
  const command = program.command("perplexity").description("how well a model predicts a text, as llama-perplexity measures it");
  command.addOption(fileOption("the text"));
  addModelOptions(command);
  addContextOptions(command, String(DEFAULT_LENGTH));
  command.addOption(valueOption("--chunks <n>", "chunks of -c tokens to score at most; -1: all; default: -1", whole(-1, 2 ** 31)));
  addOutputOptions(command, "print one JSON object at the end, with every running value in full precision");
  command.addOption(profileOption());
  command.action(() => perplexity(command.opts<PerplexityFlags>(), terminal));
}

async function perplexity(flags: PerplexityFlags, terminal: Terminal): Promise<void> {
  if (flags.file === undefined) throw new UsageError("-f/--file: wanted a text to score, got none");
  if (flags.chunks === 0) throw new UsageError("--chunks: wanted 1 or more, or -1 for all, got 0");
  const text = await readText(flags.file);
  using model = await loadWithProgress(modelPath(flags.model, terminal), flags, terminal, DEFAULT_LENGTH);
  const options = contextOptions(flags, model.config, DEFAULT_LENGTH);
  const contextLength = options.contextLength ?? DEFAULT_LENGTH;
  if (contextLength < 4) throw new UsageError(`-c/--ctx-size: wanted at least 4 tokens, as half of them are scored, got ${contextLength}`);
  const tokens = model.tokenizer.encode(text, { addSpecial: false, compose: true });
  const possible = Math.floor(tokens.length / contextLength);
  if (possible === 0) {
    throw new InvalidArgumentError(
      `${flags.file}: has ${tokens.length} tokens, one chunk needs ${contextLength}: give a longer text, or a smaller -c/--ctx-size`,
    );
  }
  const chunks = flags.chunks === undefined || flags.chunks < 0 ? possible : Math.min(flags.chunks, possible);
  using context = await createContext(model, { ...options, profile: Boolean(flags.profile) }, flags, terminal);
  const batch = Math.min(options.batch ?? 2048, contextLength);
  terminal.tell(`perplexity: ${tokens.length} tokens in ${flags.file}`);
  terminal.tell(`perplexity: calculating perplexity over ${chunks} chunks, n_ctx=${contextLength}, batch_size=${batch}`);
  const start = performance.now();
  const { running, score } = await scoreChunks({ model, context, tokens, chunks, batch }, Boolean(flags.json), terminal);
  const seconds = (performance.now() - start) / 1000;
  const result = { model: model.name, file: flags.file, contextLength, batch, chunks, scoredTokens: score.count, running };
  if (flags.json) terminal.print(`${JSON.stringify({ ...result, ppl: score.perplexity, err: score.error, seconds })}\n`);
  else terminal.print(`Final estimate: PPL = ${score.perplexity.toFixed(4)} +/- ${score.error.toFixed(5)}\n`);
  const decoded = chunks * (contextLength - 1);
  terminal.tell(`perplexity: ${decoded} tokens in ${seconds.toFixed(1)} s, ${(decoded / seconds).toFixed(1)} t/s`);
  await showProfile(context, flags, terminal);
}

interface Work {
  readonly model: Model;
  readonly context: Context;
  readonly tokens: readonly number[];
  readonly chunks: number;
  readonly batch: number;
}

/** Scores chunk by chunk, printing the running value after each. */
async function scoreChunks(work: Work, quiet: boolean, terminal: Terminal): Promise<{ running: number[]; score: RunningPerplexity }> {
  const { context, chunks, tokens } = work;
  const { contextLength } = context.shape;
  const progress = new Progress(process.stderr, "perplexity");
  // The bar and the values share a screen only when both go to one.
  const columns = process.stdout.isTTY && process.stderr.isTTY ? (process.stdout.columns ?? 80) : undefined;
  const row = new ValueRow(columns, (text) => {
    progress.clear();
    if (!quiet) terminal.print(text);
  });
  const score = new RunningPerplexity();
  const running: number[] = [];
  const perChunk = contextLength - 1;
  const onDecoded = (chunk: number, tokensDone: number) =>
    progress.update(chunk * perChunk + tokensDone, chunks * perChunk, `chunk ${chunk + 1} of ${chunks}`, quiet ? undefined : row.pending);
  try {
    for (let chunk = 0; chunk < chunks; chunk++) {
      const begin = chunk * contextLength;
      await scoreChunk(work, tokens.slice(begin, begin + contextLength), score, (done) => onDecoded(chunk, done), terminal.signal);
      running.push(score.perplexity);
      row.add(`[${chunk + 1}]${score.perplexity.toFixed(4)},`);
    }
  } finally {
    row.end();
    progress.clear();
  }
  return { running, score };
}

/** Decodes one ubatch at a time: the engine would cut larger pieces into these anyway, and so the bar moves. */
async function scoreChunk(
  { context, batch }: Work,
  tokens: readonly number[],
  score: RunningPerplexity,
  onDecoded: (tokens: number) => void,
  signal: AbortSignal,
): Promise<void> {
  await context.clear();
  const { T, O } = context.shape.max;
  for (const { begin, end, logits } of chunkPieces(tokens.length, Math.min(batch, T), O)) {
    const rows = await context.decode({ tokens: tokens.slice(begin, end), logits }, { signal });
    rows.forEach((row, i) => {
      score.add(negativeLogLikelihood(row, tokens[begin + logits[i]! + 1]!));
    });
    onDecoded(end);
    // decode looks for an abort between its ubatches only: a small chunk is one of them.
    await new Promise((resolve) => setImmediate(resolve));
    signal.throwIfAborted();
  }
}
