import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { ErrorCode } from "../../ts/errors.ts";
import { formats } from "../../ts/graph/formats.ts";
import { tandem } from "../cli/tandem.ts";

const DOCS = fileURLToPath(new URL("../../docs/", import.meta.url));
const read = (name: string) => readFileSync(DOCS + name, "utf8");
const guides = readdirSync(DOCS).filter((name) => name.endsWith(".md"));

/** A compile error here: a code came or went, and errors.md with it. */
const CODES: Readonly<Record<ErrorCode, true>> = {
  invalid_argument: true,
  gguf: true,
  unsupported_model: true,
  unsupported_format: true,
  shape: true,
  context_overflow: true,
  out_of_memory: true,
  capability: true,
  backend: true,
  device_lost: true,
  split_budget: true,
  unsupported_schema: true,
  session: true,
  queue_full: true,
  network: true,
  integrity: true,
  quota: true,
  disposed: true,
};

it("errors.md has a section for every code, which names its class", () => {
  const sections = read("errors.md").split(/^## /m).slice(1);
  expect(sections.map((section) => section.split("\n")[0])).toEqual(Object.keys(CODES));
  for (const section of sections) {
    const [code, ...text] = section.split("\n");
    const name = `${code!.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase())}Error`;
    expect(text.join(" ")).toMatch(new RegExp(`^\`${name}\`: .{100}`));
  }
});

const examples = guides.flatMap((guide) =>
  [...read(guide).matchAll(/```console\n\$ tandem (.+)\n([\s\S]*?)```/g)].map(([, args, shown]) => ({ guide, args: args!, shown: shown! })),
);

describe("commands in the guides print what the guides show", () => {
  it.each(examples)("$guide: tandem $args", ({ args, shown }) => {
    const { stdout, stderr } = tandem(args.split(" "));
    const printed = stdout + stderr;
    let from = 0;
    // Line ends count: a shown figure must not match the beginning of another.
    for (const part of shown.split(/^…\n/m).filter(Boolean)) {
      const at = printed.indexOf(part, from);
      expect(at, `not printed, or not in this order:\n${part}\nprinted:\n${printed}`).toBeGreaterThanOrEqual(0);
      from = at + part.length;
    }
  });

  it("are some", () => expect(examples.length).toBeGreaterThan(5));
});

it("models.md gives the bits a weight that the formats take", () => {
  const rows = [...read("models.md").matchAll(/^\| (\w+?)(?:_M)? \| ([\d.]+)(?: \(\w+\))? \|/gm)];
  expect(rows.length).toBe(7);
  for (const [, name, bits] of rows) {
    const format = formats.find((one) => one.name === name)!;
    expect(Number(bits), name).toBe((8 * format.blockBytes) / format.blockSize);
  }
});

it("links lead somewhere", () => {
  for (const guide of guides) {
    for (const [, target] of read(guide).matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
      expect(existsSync(DOCS + target!), `${guide}: ${target}`).toBe(true);
    }
  }
});
