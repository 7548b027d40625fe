import instantiate from "xgrammar:binding";
import { characterOfByte } from "../../text/byte-alphabet.ts";
import { KEPT, type Standing } from "./messages.ts";
import { Utf8Tokens } from "./utf8.ts";
import { bytesOf, type Vocabulary } from "./vocabulary.ts";
import type { Binding, CompiledGrammar, GrammarCompiler, GrammarMatcher } from "./xgrammar-binding.ts";

/** xgrammar over one vocabulary. */
interface Instance {
  readonly binding: Binding;
  readonly compiler: GrammarCompiler;
  /** What xgrammar wrote before it gave up. */
  readonly said: string[];
  /** The least recently used first. */
  readonly compiled: Map<string, CompiledGrammar>;
}

interface Mask {
  readonly binding: Binding;
  readonly matcher: GrammarMatcher;
  readonly open: boolean;
  utf8State: number;
}

/**
 * The far side of `Grammars`: xgrammar with its grammars and masks, in a thread of its own. A grammar that it cannot read ends its instance:
 * the next one is compiled in a new instance, and masks that are in use go on in the old.
 */
export class GrammarHost {
  readonly #vocabulary: Vocabulary;
  readonly #utf8: Utf8Tokens;
  readonly #masks = new Map<number, Mask>();
  #instance: Instance | undefined;

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
    this.#utf8 = new Utf8Tokens(vocabulary);
  }

  /** Compiles a grammar, unless it is there. Gives the reason where it cannot be read. */
  async compile(grammar: string): Promise<{ refused?: string }> {
    this.#instance ??= await instance(this.#vocabulary);
    const { said } = this.#instance;
    try {
      compiled(this.#instance, grammar);
      return {};
    } catch (cause) {
      this.#instance = undefined;
      return { refused: said.findLast((line) => line.includes("]"))?.replace(/^\[\w+\] \S+: /, "") ?? String(cause) };
    }
  }

  /** Opens a mask at the start of a grammar that was compiled before. `open`: it is finished without a stop token. */
  async open(id: number, grammar: string, open: boolean): Promise<void> {
    this.#instance ??= await instance(this.#vocabulary); // others may have taken the grammar's place, or ended the instance
    const { binding } = this.#instance;
    const matcher = new binding.GrammarMatcher(compiled(this.#instance, grammar), undefined, open, -1);
    this.#masks.set(id, { binding, matcher, open, utf8State: 0 });
  }

  /** Goes on by text that was not masked. Returns whether the grammar allows it. */
  acceptText(id: number, text: string): boolean {
    return this.#masks.get(id)!.matcher.AcceptString(text, false);
  }

  /** Goes on by tokens, until a grammar that needs no stop token is finished. */
  accept(id: number, tokens: readonly number[]): Standing {
    const mask = this.#masks.get(id)!;
    const { matcher, open } = mask;
    let taken = 0;
    while (taken < tokens.length && !(open && matcher.IsTerminated())) {
      const token = tokens[taken]!;
      if (!matcher.AcceptToken(token, false)) return { taken, refused: token, finished: false };
      mask.utf8State = this.#utf8.after(mask.utf8State, token);
      taken++;
    }
    return matcher.IsTerminated() ? { taken, finished: true } : { taken, finished: false, allowed: this.#allowed(mask) };
  }

  close(id: number): void {
    this.#masks.get(id)?.matcher.delete();
    this.#masks.delete(id);
  }

  #allowed({ binding, matcher, utf8State }: Mask): Int32Array {
    const size = this.#vocabulary.ends.length;
    const vector = matcher.GetNextTokenBitmask(size);
    const allowed = binding.vecIntToView(vector).slice();
    vector.delete();
    if (size % 32 > 0) allowed[allowed.length - 1]! &= (1 << (size % 32)) - 1; // there are no more tokens
    this.#utf8.forbid(utf8State, allowed);
    return allowed;
  }
}

/** Throws what xgrammar does, which ends the instance. */
function compiled({ binding, compiler, compiled }: Instance, text: string): CompiledGrammar {
  let grammar = compiled.get(text);
  compiled.delete(text);
  if (!grammar) {
    const parsed = new binding.Grammar.FromEBNF(text, "root");
    grammar = compiler.CompileGrammar(parsed);
    parsed.delete();
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

async function instance(vocabulary: Vocabulary): Promise<Instance> {
  const said: string[] = [];
  const binding = await instantiate({ printErr: (line) => void said.push(line), print: () => {} });
  const size = vocabulary.ends.length;
  const tokens = Array.from({ length: size }, (_, token) => Array.from(bytesOf(vocabulary, token), characterOfByte).join(""));
  const texts = binding.vecStringFromJSArray(tokens);
  const info = new binding.TokenizerInfo(texts, "BYTE_LEVEL", size, binding.vecIntFromJSArray(vocabulary.stops), false);
  texts.delete();
  return { binding, compiler: new binding.GrammarCompiler(info, 1, true), said, compiled: new Map() };
}
