import { InvalidArgumentError } from "../../errors.ts";
import { characterOfByte } from "../../text/byte-alphabet.ts";
import type { Tokenizer } from "../../text/tokenizer.ts";
import { TokenMask } from "./token-mask.ts";
import { Utf8Tokens } from "./utf8.ts";
import type { Binding, CompiledGrammar, GrammarCompiler, TokenizerInfo } from "./xgrammar-binding.ts";

/** Grammars kept compiled. One of a large schema over 248,320 tokens takes seconds to make and some MB to keep. */
const KEPT = 16;

/** xgrammar over one vocabulary. */
interface Instance {
  readonly binding: Binding;
  readonly info: TokenizerInfo;
  readonly compiler: GrammarCompiler;
  readonly utf8: Utf8Tokens;
  /** What xgrammar wrote before it gave up. */
  readonly said: string[];
  /** The least recently used first. */
  readonly compiled: Map<string, CompiledGrammar>;
}

/**
 * Grammars for a model's answers, compiled by xgrammar, which is loaded when the first one is asked for. A grammar that it cannot read ends
 * its instance: the next one is compiled in a new instance, and masks that are in use go on in the old.
 */
export class Grammars {
  readonly #tokenizer: Tokenizer;
  #instance: Promise<Instance> | undefined;

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  /**
   * Compiles a grammar (EBNF, from its rule `root`). The function that comes back opens a mask at its start, one for each answer.
   * @param open Whether the grammar is a part of the answer: it is over when its text is whole, not when generation ends.
   * @throws InvalidArgumentError for a grammar that cannot be read.
   */
  async compile(grammar: string, { open = false }: { open?: boolean } = {}): Promise<() => TokenMask> {
    this.#instance ??= instantiate(this.#tokenizer);
    const instance = await this.#instance.catch((reason: unknown) => {
      this.#instance = undefined;
      throw reason;
    });
    this.#compiled(instance, grammar);
    const { binding, utf8 } = instance;
    return () => {
      const compiled = this.#compiled(instance, grammar); // others may have taken its place meanwhile
      return new TokenMask(binding, new binding.GrammarMatcher(compiled, undefined, open, -1), this.#tokenizer, utf8);
    };
  }

  #compiled({ binding, compiler, compiled, said }: Instance, text: string): CompiledGrammar {
    let grammar = compiled.get(text);
    compiled.delete(text);
    try {
      if (!grammar) {
        const parsed = new binding.Grammar.FromEBNF(text, "root");
        grammar = compiler.CompileGrammar(parsed);
        parsed.delete();
      }
    } catch (cause) {
      this.#instance = undefined;
      const reason = said.findLast((line) => line.includes("]"))?.replace(/^\[\w+\] \S+: /, "") ?? String(cause);
      throw new InvalidArgumentError(`grammar: xgrammar cannot read it: ${reason}: correct the grammar`, { cause });
    }
    compiled.set(text, grammar);
    // Freed with the last mask that uses it: xgrammar counts references.
    if (compiled.size > KEPT) {
      const [oldest, unused] = compiled.entries().next().value!;
      compiled.delete(oldest);
      unused.delete();
    }
    return grammar;
  }
}

async function instantiate(tokenizer: Tokenizer): Promise<Instance> {
  const { default: open } = await import("xgrammar:binding");
  const said: string[] = [];
  const binding = await open({ printErr: (line) => void said.push(line), print: () => {} });
  const size = tokenizer.vocabularySize;
  const vocabulary: string[] = [];
  const ends: number[] = [];
  for (let token = 0; token < size; token++) {
    // Control tokens are dropped from answers: to xgrammar, a token without text is never allowed.
    const bytes = tokenizer.isControl(token) ? [] : tokenizer.tokenBytes(token);
    vocabulary.push(Array.from(bytes, characterOfByte).join(""));
    if (tokenizer.isEndOfGeneration(token)) ends.push(token);
  }
  const texts = binding.vecStringFromJSArray(vocabulary);
  const info = new binding.TokenizerInfo(texts, "BYTE_LEVEL", size, binding.vecIntFromJSArray(ends), false);
  texts.delete();
  return {
    binding,
    info,
    compiler: new binding.GrammarCompiler(info, 1, true),
    utf8: new Utf8Tokens(tokenizer),
    said,
    compiled: new Map(),
  };
}
