/** Where a stream decoder gets the bytes of a token; a `Tokenizer` is one. */
export interface TokenByteSource {
  tokenBytes(id: number): Uint8Array;
  isControl(id: number): boolean;
}

export interface DecodeOptions {
  /** Write control tokens such as `<|im_end|>` as text instead of dropping them. Default false. */
  special?: boolean;
}

/** UTF-8 to text; a byte order mark is text like any other, malformed bytes become U+FFFD. */
export function utf8Decoder(): TextDecoder {
  return new TextDecoder("utf-8", { ignoreBOM: true });
}

/**
 * Turns tokens into text as they come. A token may end inside a character: its bytes wait for the rest, so that no piece ever holds half a
 * character. All pieces together are exactly what `Tokenizer.decode` gives for the same tokens.
 */
export class StreamDecoder {
  readonly #source: TokenByteSource;
  readonly #special: boolean;
  #utf8 = utf8Decoder();

  constructor(source: TokenByteSource, options: DecodeOptions = {}) {
    this.#source = source;
    this.#special = options.special ?? false;
  }

  /** The text that this token completes; "" while a character is still open, or for a dropped control token. */
  push(id: number): string {
    if (!this.#special && this.#source.isControl(id)) return "";
    return this.#utf8.decode(this.#source.tokenBytes(id), { stream: true });
  }

  /** What is left: U+FFFD for a character that never became whole, else "". The decoder is then ready for a new text. */
  end(): string {
    const rest = this.#utf8.decode();
    this.#utf8 = utf8Decoder();
    return rest;
  }
}
