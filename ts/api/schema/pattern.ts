import { UnsupportedSchemaError } from "../../errors.ts";
import { alternatives, literal } from "./terminals.ts";

/** Code points from the first to the last. */
type Range = readonly [number, number];

const DIGIT: Range[] = [[48, 57]];
const WORD: Range[] = [[48, 57], [65, 90], [95, 95], [97, 122]]; // biome-ignore format: one line
const SPACE: Range[] = [
  ...([[9, 13], [32, 32], [0xa0, 0xa0], [0x1680, 0x1680], [0x2000, 0x200a]] satisfies Range[]), // biome-ignore format: one line
  ...([[0x2028, 0x2029], [0x202f, 0x202f], [0x205f, 0x205f], [0x3000, 0x3000], [0xfeff, 0xfeff]] satisfies Range[]), // biome-ignore format: one line
];
const LINE_ENDS: Range[] = [[10, 10], [13, 13], [0x2028, 0x2029]]; // biome-ignore format: one line
/** What a string holds only escaped, and surrogates, which are no characters. */
const NOT_PLAIN: Range[] = [[0, 31], [34, 34], [92, 92], [0xd800, 0xdfff]]; // biome-ignore format: one line
const CLASSES: Readonly<Record<string, Range[]>> = { d: DIGIT, w: WORD, s: SPACE, D: without(DIGIT), W: without(WORD), S: without(SPACE) };
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, "0": 0 };

const PLAIN = charset(without([]));

/** The code points that are in none of the ranges. */
function without(ranges: readonly Range[]): Range[] {
  const left: Range[] = [];
  let next = 0;
  for (const [first, last] of [...ranges].sort((a, b) => a[0] - b[0])) {
    if (first > next) left.push([next, first - 1]);
    next = Math.max(next, last + 1);
  }
  if (next <= 0x10ffff) left.push([next, 0x10ffff]);
  return left;
}

/**
 * EBNF of one of these characters as it stands in a string; undefined when there is none. Characters beyond ASCII come in only all at once:
 * xgrammar 0.1.27 misreads ranges of them, and takes every one for a member of a negated class.
 */
function charset(ranges: readonly Range[]): string | undefined {
  const excluded = without(without([...without(ranges), ...NOT_PLAIN]));
  const others = without(excluded)
    .filter(([first]) => first < 0x80)
    .map(([first, last]): Range => [first, Math.min(last, 0x7f)]);
  const code = (point: number) => `\\x${point.toString(16).padStart(2, "0")}`;
  const written = (parts: readonly Range[]) => parts.map(([first, last]) => `${code(first)}-${code(last)}`).join("");
  const beyond = excluded.filter(([, last]) => last >= 0x80);
  if (beyond.every(([first, last]) => first === 0xd800 && last === 0xdfff))
    return `[^${written(excluded.filter(([, last]) => last < 0x80))}]`;
  return others.length > 0 ? `[${written(others)}]` : undefined;
}

/**
 * EBNF of the JSON strings that match a regular expression (ECMA-262 with the flag u): groups, classes, repetition, `^` and `$` around a branch.
 * Characters of classes are never escaped ones, and
 * ASCII unless the class has all beyond it (`[^@]` has, `.` and `\S` have not): fewer strings than the schema allows, never others.
 * @throws UnsupportedSchemaError for look-around, back references, \b, \p and other anchors.
 */
export function patternString(pattern: unknown, path: string): string {
  return new PatternReader(pattern, path).string();
}

class PatternReader {
  readonly #path: string;
  readonly #left: string[];

  constructor(pattern: unknown, path: string) {
    this.#path = path;
    try {
      if (typeof pattern !== "string") throw new TypeError("no text");
      new RegExp(pattern, "u");
    } catch (cause) {
      throw new UnsupportedSchemaError(path, `wanted a regular expression, got ${JSON.stringify(pattern)} (${cause})`, "correct it");
    }
    this.#left = [...pattern];
  }

  string(): string {
    const branches: string[] = [];
    do {
      const before = this.#take("^") ? [] : [`${PLAIN}*`];
      const text = this.#sequence();
      const end = this.#take("$") ? '"\\""' : "rest";
      branches.push(['"\\""', ...before, ...text, end].join(" "));
    } while (this.#take("|"));
    if (this.#left.length > 0) this.#refuse(this.#left[0]!);
    return `(${branches.join(" | ")})`;
  }

  #take(...texts: string[]): boolean {
    const found = texts.find((text) => this.#left.slice(0, text.length).join("") === text);
    if (found) this.#left.splice(0, found.length);
    return found !== undefined;
  }

  #refuse(what: string): never {
    throw new UnsupportedSchemaError(
      this.#path,
      `answers cannot be held to ${JSON.stringify(what)} in a pattern`,
      "leave it out, and check the answer yourself",
    );
  }

  #sequence(): string[] {
    const items: string[] = [];
    while (this.#left.length > 0 && !"|)$".includes(this.#left[0]!)) items.push(this.#repeated(this.#atom()));
    return items;
  }

  #repeated(item: string): string {
    const counts = /^(?:[*+?]|\{\d+(?:,\d*)?\})/.exec(this.#left.join(""))?.[0];
    if (!counts) return item;
    this.#left.splice(0, counts.length);
    this.#take("?"); // a lazy one matches the same texts
    return `(${item})${counts}`;
  }

  #atom(): string {
    const character = this.#left.shift()!;
    if (character === "(") return this.#group();
    if (character === "[") return this.#class();
    if (character === ".") return charset(without(LINE_ENDS))!;
    if (character === "^") this.#refuse("^");
    if (character !== "\\") return literal(JSON.stringify(character).slice(1, -1));
    const escaped = this.#escape();
    if (typeof escaped === "number") return literal(JSON.stringify(String.fromCodePoint(escaped)).slice(1, -1));
    return charset(escaped)!;
  }

  #group(): string {
    if (!this.#take("?:") && this.#left[0] === "?") this.#refuse(`(${this.#left.slice(0, 2).join("")}`);
    const branches: string[] = [];
    do branches.push(this.#sequence().join(" ") || '""');
    while (this.#take("|"));
    if (!this.#take(")")) this.#refuse("$");
    return branches.length === 1 ? `(${branches[0]})` : alternatives(branches);
  }

  #class(): string {
    const negated = this.#take("^");
    const ranges: Range[] = [];
    while (!this.#take("]")) {
      const first = this.#member();
      if (typeof first !== "number") ranges.push(...first);
      else if (this.#left[0] === "-" && this.#left[1] !== "]") {
        this.#left.shift();
        ranges.push([first, this.#member() as number]); // RegExp has refused a class here
      } else ranges.push([first, first]);
    }
    return charset(negated ? without(ranges) : ranges) ?? this.#refuse("a class without plain ASCII characters");
  }

  #member(): number | Range[] {
    const character = this.#left.shift()!;
    return character === "\\" ? this.#escape() : character.codePointAt(0)!;
  }

  /** What follows a backslash: a character or several. */
  #escape(): number | Range[] {
    const letter = this.#left.shift()!;
    if (CLASSES[letter]) return CLASSES[letter];
    if (CONTROLS[letter] !== undefined) return CONTROLS[letter];
    if (!/[\dA-Za-z]/.test(letter)) return letter.codePointAt(0)!;
    const code = { x: /^[\da-fA-F]{2}/, u: /^(?:[\da-fA-F]{4}|\{[\da-fA-F]+\})/ }[letter]?.exec(this.#left.join(""))?.[0];
    if (code === undefined) this.#refuse(`\\${letter}`);
    this.#left.splice(0, code.length);
    return Number.parseInt(code.replace(/[{}]/g, ""), 16);
  }
}
