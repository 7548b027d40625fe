/**
 * Pieces of EBNF as xgrammar reads it. JSON is written on one line, with a space after commas and colons, as models are trained to write
 * tool calls; white space left to the model would let a weak one fill its answer with it.
 */

/** A literal. */
export function literal(text: string): string {
  const escaped = text.replace(/["\\]/g, "\\$&").replace(/\n/g, "\\n").replace(/\r/g, "\\r").replace(/\t/g, "\\t");
  return `"${escaped}"`;
}

export function alternatives(items: readonly string[]): string {
  return items.length === 1 ? items[0]! : `(${items.join(" | ")})`;
}

/** `item` from `least` to `most` times; most undefined: without end. */
export function repeated(item: string, least: number, most: number | undefined): string {
  if (most === 0) return '""';
  if (most === undefined) return least === 0 ? `(${item})*` : `(${item}){${least},}`;
  return `(${item}){${least},${most}}`;
}

/** `item`s with ", " between them, `least` to `most` of them. */
export function list(item: string, least: number, most: number | undefined): string {
  if (most === 0) return '""';
  const more = repeated(`", " ${item}`, Math.max(0, least - 1), most === undefined ? undefined : most - 1);
  return least === 0 ? `(${item} ${more} | "")` : `(${item} ${more})`;
}

const HEX = "[0-9a-fA-F]";
const PLAIN = '[^"\\\\\\x00-\\x1f]';
// Escaped halves of a pair would be two characters here and one to whoever counts the string's length.
const ESCAPE = `"\\\\" (["\\\\/bfnrt] | "u" ([0-9a-ce-fA-CE-F] ${HEX} | [dD] [0-7]) ${HEX} ${HEX})`;

/** A character of a string, and the rule that goes on behind it. */
const characterThen = (rule: string): string => `${PLAIN} ${rule} | ${ESCAPE} ${rule}`;

/** Longer strings are counted in blocks of so many characters. */
const BLOCK = 64;

/** A string with `least` to `most` characters; most undefined: without end. */
export function text(least: number, most: number | undefined): string {
  return `("\\"" ${restName(least, most)})`;
}

const restName = (least: number, most: number | undefined): string =>
  least === 0 && most === undefined ? "rest" : `rest${least}to${most ?? ""}`;

/**
 * A string from behind its characters so far: `least` to `most` more, and the closing quote. Each count is a rule that ends in the next one:
 * xgrammar then knows the tokens of a rule's place beforehand. In `character{least,most}` it would try every token that is longer than one
 * character anew at each step, and does so here only for those that pass the end of a block.
 */
function rest(least: number, most: number | undefined): string {
  const then = (length: number) => restName(Math.max(0, least - length), most === undefined ? undefined : most - length);
  if (Math.max(least, most ?? 0) > BLOCK) {
    const shorter = least < BLOCK ? ` | ${restName(least, BLOCK - 1)}` : "";
    return `block${BLOCK} ${then(BLOCK)}${shorter}`;
  }
  const close = '"\\""';
  if (most === 0) return close;
  return `${least === 0 ? `${close} | ` : ""}${characterThen(then(1))}`;
}

/** Digits of a number and of its exponent are few enough that every number is finite and every integer exact. */
const DIGITS = 14;

/** The rules that schemas refer to, by name; only those in use are written. */
const TERMINALS: Readonly<Record<string, string>> = {
  string: '"\\"" rest',
  rest: `"\\"" | ${characterThen("rest")}`,
  block1: `${PLAIN} | ${ESCAPE}`,
  integer: `"0" | "-"? [1-9] [0-9]{0,${DIGITS}}`,
  number: `"-"? ("0" | [1-9] [0-9]{0,${DIGITS}}) ("." [0-9]{1,${DIGITS}})? ([eE] [+-]? [0-9]{1,2})?`,
  boolean: '"true" | "false"',
  null: '"null"',
  value: "string | number | boolean | null | array | object",
  array: '"[]" | "[" value (", " value)* "]"',
  object: '"{}" | "{" string ": " value (", " string ": " value)* "}"',
  ...textRules(),
};

/** Formats whose values can be told by their characters; others are notes to the reader, as the specification has it. */
export const FORMATS: Readonly<Record<string, string>> = {
  date: date(),
  time: time(),
  "date-time": `${date()} "T" ${time()}`,
  uuid: [8, 4, 4, 4, 12].map((n) => `[0-9a-f]{${n}}`).join(' "-" '),
  ipv4: Array.from({ length: 4 }, () => '("25" [0-5] | "2" [0-4] [0-9] | "1" [0-9] [0-9] | [1-9] [0-9] | [0-9])').join(' "." '),
  email: '[a-z0-9]{1,32} ("." [a-z0-9]{1,32})? "@" [a-z0-9]{1,32} ("." [a-z]{2,16}){1,2}',
};

/** The 29th to 31st are left out where the month decides. */
function date(): string {
  const long = '("01" | "03" | "05" | "07" | "08" | "10" | "12") "-" ("0" [1-9] | [12] [0-9] | "3" [01])';
  const short = '("04" | "06" | "09" | "11") "-" ("0" [1-9] | [12] [0-9] | "30")';
  return `[12] [0-9]{3} "-" (${long} | ${short} | "02-" ("0" [1-9] | "1" [0-9] | "2" [0-8]))`;
}

function time(): string {
  const minutes = '":" [0-5] [0-9]';
  const hours = '([01] [0-9] | "2" [0-3])';
  return `${hours} ${minutes} ${minutes} ("." [0-9]{1,6})? ("Z" | [+-] ${hours} ${minutes})`;
}

/** Text without `</parameter>`, as rules by the number of its characters just read; its first character comes only once in it. */
function textRules(): Record<string, string> {
  const marker = "</parameter>";
  const rules: Record<string, string> = { text0: '"" | [^<] text0 | "<" text1' };
  for (let i = 1; i < marker.length; i++) {
    const next = marker[i]!;
    const on = i + 1 < marker.length ? ` | "${next}" text${i + 1}` : "";
    rules[`text${i}`] = `"" | "<" text1${on} | [^<${next}] text0`;
  }
  return rules;
}

/** A rule that schemas refer to, by its name. */
function terminal(name: string): string | undefined {
  const [, block] = /^block(\d+)$/.exec(name) ?? [];
  if (block !== undefined && block !== "1") return characterThen(`block${Number(block) - 1}`);
  const [, least, most] = /^rest(\d+)to(\d*)$/.exec(name) ?? [];
  if (least !== undefined) return rest(Number(least), most ? Number(most) : undefined);
  return TERMINALS[name];
}

/** The grammar whose root is this expression, with the rules that it needs. */
export function writeGrammar(root: string, rules: ReadonlyMap<string, string>): string {
  const written = new Map([["root", root], ...rules]);
  // Rules that are added come up in turn.
  for (const text of written.values()) {
    for (const [name] of text.matchAll(/"(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\]|[a-z]\w*/g)) {
      const added = written.has(name) ? undefined : terminal(name);
      if (added !== undefined) written.set(name, added);
    }
  }
  return [...written].map(([name, text]) => `${name} ::= ${text}`).join("\n");
}
