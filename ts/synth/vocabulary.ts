import { characterOfByte } from "../text/byte-alphabet.ts";
import { TokenType } from "../text/vocabulary.ts";

/** Tokens that a file can be tested with: it writes any text, byte by byte, and every token it may generate is readable. */
export interface SyntheticVocabulary {
  readonly tokens: readonly string[];
  readonly types: readonly number[];
  readonly endOfText: number;
  readonly endOfTurn: number;
}

const CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];

/** `size` tokens: 256 bytes, made-up words that no text is split into as there are no merges, and the control tokens at the end. */
export function syntheticVocabulary(size: number): SyntheticVocabulary {
  const bytes = Array.from({ length: 256 }, (_, byte) => characterOfByte(byte));
  const words = Array.from({ length: size - bytes.length - CONTROL.length }, (_, i) => `${characterOfByte(0x20)}${madeUpWord(i)}`);
  const tokens = [...bytes, ...words, ...CONTROL];
  const types = tokens.map((_, id) => (id >= size - CONTROL.length ? TokenType.control : TokenType.normal));
  return { tokens, types, endOfText: size - 3, endOfTurn: size - 1 };
}

const CONSONANTS = "bdfgklmnprstvz";
const VOWELS = "aeiou";

/** Words of two syllables and more, all different: "baba", "bade", … */
function madeUpWord(index: number): string {
  const syllables = CONSONANTS.length * VOWELS.length;
  let word = "";
  for (let left = index + syllables; left > 0; left = Math.floor(left / syllables)) {
    const syllable = left % syllables;
    word = CONSONANTS[Math.floor(syllable / VOWELS.length)]! + VOWELS[syllable % VOWELS.length]! + word;
  }
  return word;
}

/** ChatML, without tools and thinking. */
export const CHAT_TEMPLATE = [
  "{% for message in messages %}",
  "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}",
  "{% endfor %}",
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
].join("");
