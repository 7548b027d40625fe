import { InvalidArgumentError } from "../errors.ts";
import type { Tokenizer } from "../text/tokenizer.ts";

/** A text, several texts, tokens, or several rows of tokens: as rows of tokens. Throws InvalidArgumentError naming the parameter. */
export function tokenPrompts(name: string, given: unknown, tokenizer: Tokenizer): number[][] {
  if (typeof given === "string") return [tokensOf(name, given, tokenizer)];
  if (!Array.isArray(given) || given.length === 0) throw wrong(name, given);
  if (typeof given[0] === "number") return [tokensOf(name, given, tokenizer)];
  return given.map((item, i) => tokensOf(`${name}[${i}]`, item, tokenizer));
}

function tokensOf(name: string, given: unknown, tokenizer: Tokenizer): number[] {
  const tokens: unknown[] | undefined = typeof given === "string" ? tokenizer.encode(given) : Array.isArray(given) ? given : undefined;
  if (tokens === undefined) throw wrong(name, given);
  if (tokens.length === 0) throw new InvalidArgumentError(`${name} is empty: give at least one token`);
  const bad = tokens.find((token) => !Number.isInteger(token) || (token as number) < 0 || (token as number) >= tokenizer.vocabularySize);
  if (bad !== undefined) throw new InvalidArgumentError(`${name} must hold tokens from 0 to ${tokenizer.vocabularySize - 1}, got ${bad}`);
  return tokens as number[];
}

function wrong(name: string, came: unknown): InvalidArgumentError {
  return new InvalidArgumentError(`${name} must be a text, tokens, or a list of either, got ${JSON.stringify(came)}`);
}
