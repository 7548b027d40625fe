/**
 * The GPT-2 byte alphabet: every byte is written as one printable character, so that a vocabulary of byte strings fits into text.
 * Printable Latin-1 bytes stand for themselves; the 68 others, in order, are U+0100, U+0101, …
 */
const byteToCharacter: string[] = [];
const characterToByte = new Map<string, number>();

let shifted = 0;
for (let byte = 0; byte < 256; byte++) {
  const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  const character = String.fromCharCode(printable ? byte : 0x100 + shifted++);
  byteToCharacter.push(character);
  characterToByte.set(character, byte);
}

const encoder = new TextEncoder();

/** The alphabet's character for a byte, 0 to 255. */
export function characterOfByte(byte: number): string {
  return byteToCharacter[byte]!;
}

/** The byte that a character of the alphabet stands for; undefined for a character outside it. */
export function byteOfCharacter(character: string): number | undefined {
  return characterToByte.get(character);
}

/** The UTF-8 bytes of `text`, each as its character of the alphabet. A lone surrogate becomes U+FFFD, as in every UTF-8 encoder. */
export function textToAlphabet(text: string): string {
  let written = "";
  for (const byte of encoder.encode(text)) written += byteToCharacter[byte]!;
  return written;
}

/** The bytes that a token text stands for. A character outside the alphabet (damaged file) gives its own UTF-8 bytes. */
export function alphabetToBytes(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of text) {
    const byte = characterToByte.get(character);
    if (byte !== undefined) bytes.push(byte);
    else bytes.push(...encoder.encode(character));
  }
  return Uint8Array.from(bytes);
}
