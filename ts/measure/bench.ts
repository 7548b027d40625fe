import type { Model } from "../engine/model.ts";
import { InvalidArgumentError } from "../errors.ts";
import { type Bandwidth, roofSpeed } from "./roof.ts";
import { type Statistics, statistics } from "./statistics.ts";
import { DecodeTimer, type MeasuredContext, type TimingOptions } from "./timing.ts";

/** "pp": a prompt of so many tokens. "tg": so many tokens generated from an empty context. */
export interface BenchTest {
  readonly kind: "pp" | "tg";
  readonly tokens: number;
}

/** What `bench` measures, and how often. */
export interface BenchOptions extends TimingOptions {
  readonly tests: readonly BenchTest[];
  /** Default 5. */
  readonly repetitions?: number;
  /** Generate the likeliest token after each, as `generate` does at temperature 0, in place of decoding random ones. */
  readonly greedy?: boolean;
  /** Where given, results have a roof. */
  readonly bandwidth?: Bandwidth;
}

/** Speeds in tokens a second. */
export interface BenchResult extends Statistics {
  readonly test: BenchTest;
  /** One a repetition, in order. */
  readonly speeds: readonly number[];
  /** What the bandwidth of the memory would allow: see roofSpeed. */
  readonly roof?: number;
}

/** Generated before a tg test, untimed: engines compile a kernel again when it has run for a while. */
const WARMUP_TOKENS = 16;

/**
 * llama-bench's protocol: each test is warmed up and then repeated, every time from an empty sequence, with random tokens; logits of the
 * last prompt token, or of each generated one, are read back. A result is yielded when its test is through.
 *
 * Sequence 0 of the context is overwritten. An abort throws the signal's reason; results yielded until then stand, and the context can be
 * used again. Throws InvalidArgumentError for numbers out of range.
 */
export async function* bench(
  { config }: Pick<Model, "config">,
  context: MeasuredContext,
  { tests, repetitions = 5, greedy = false, bandwidth, ...timing }: BenchOptions,
): AsyncGenerator<BenchResult, void, undefined> {
  checkBench(context, tests, repetitions);
  const timer = new DecodeTimer(context, config.V, timing);
  const generate = (count: number) => (greedy ? timer.greedy(count) : timer.generation(count));
  for (const test of tests) {
    const run = (count: number) => (test.kind === "pp" ? timer.prompt(count) : generate(count));
    const fresh = async (count: number) => {
      await context.clear();
      await context.settle();
      return run(count);
    };
    await fresh(test.kind === "pp" ? test.tokens : Math.min(test.tokens, WARMUP_TOKENS));
    const speeds: number[] = [];
    for (let i = 0; i < repetitions; i++) speeds.push(test.tokens / (await fresh(test.tokens)));
    const perRun = test.kind === "pp" ? context.shape.max.T : 1;
    const roof = bandwidth && roofSpeed(context, bandwidth, test.tokens, perRun);
    yield { test, speeds, ...statistics(speeds), roof };
  }
}

/** Throws InvalidArgumentError. */
function checkBench({ shape }: MeasuredContext, tests: readonly BenchTest[], repetitions: number): void {
  if (!Number.isInteger(repetitions) || repetitions < 1)
    throw new InvalidArgumentError(`bench: repetitions must be a whole number from 1, got ${repetitions}`);
  for (const { kind, tokens } of tests) {
    if (!Number.isInteger(tokens) || tokens < 1 || tokens > shape.contextLength)
      throw new InvalidArgumentError(
        `bench: ${kind} must have a whole number of tokens from 1 to the context's ${shape.contextLength}, got ${tokens}`,
      );
  }
}
