/** xgrammar's own interface (embind), from scripts/rollup-grammar.mjs. Objects live in its memory until `delete`. */
interface Owned {
  delete(): void;
}
export type IntVector = Owned;
export type StringVector = Owned;
export type TokenizerInfo = Owned;
export type Grammar = Owned;
export type CompiledGrammar = Owned;
export interface GrammarCompiler extends Owned {
  CompileGrammar(grammar: Grammar): CompiledGrammar;
}
export interface GrammarMatcher extends Owned {
  AcceptToken(token: number, verbose: boolean): boolean;
  AcceptString(text: string, verbose: boolean): boolean;
  GetNextTokenBitmask(vocabularySize: number): IntVector;
  IsTerminated(): boolean;
}
export interface Binding {
  vecStringFromJSArray(items: readonly string[]): StringVector;
  vecIntFromJSArray(items: readonly number[]): IntVector;
  /** A view into xgrammar's memory: valid until its next call. */
  vecIntToView(vector: IntVector): Int32Array;
  readonly TokenizerInfo: new (
    vocabulary: StringVector,
    type: "BYTE_LEVEL",
    vocabularySize: number,
    stopTokens: IntVector,
    prependSpace: boolean,
  ) => TokenizerInfo;
  readonly Grammar: { readonly FromEBNF: new (text: string, root: string) => Grammar };
  readonly GrammarCompiler: new (info: TokenizerInfo, maxThreads: number, cache: boolean) => GrammarCompiler;
  readonly GrammarMatcher: new (
    grammar: CompiledGrammar,
    stopTokens: IntVector | undefined,
    terminateWithoutStopToken: boolean,
    maxRollbackTokens: number,
  ) => GrammarMatcher;
}
export type Instantiate = (options: { printErr: (line: string) => void; print: (line: string) => void }) => Promise<Binding>;
