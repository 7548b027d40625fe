import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

/** Names that a module exports, types too: of its export lists, and of the modules that it exports whole. */
function exportedNames(path: string): string[] {
  const text = read(path);
  const listed = [...text.matchAll(/^export (?:type )?\{([^}]+)\}/gm)].flatMap(([, list]) => list!.split(","));
  const declared = [...text.matchAll(/^export (?:class|interface|type|function|const) (\w+)/gm)].map(([, name]) => name!);
  const whole = [...text.matchAll(/^export (?:type )?\* from "\.\/(.+)"/gm)].flatMap(([, from]) => exportedNames(`ts/${from}`));
  const names = listed.map((item) => item.trim().replace(/^type /, "")).filter(Boolean);
  return [...names, ...declared, ...whole];
}

/** Their own entry in docs/errors.md, and one check in node.test.ts, is enough: both platforms export the same module. */
const errors = exportedNames("ts/errors.ts");

it.each([
  { entry: "ts/index.ts", test: "tests/types/node.test.ts" },
  { entry: "ts/browser.ts", test: "tests/types/browser.test.ts" },
])("$test uses every export of $entry", ({ entry, test }) => {
  const used = new Set([...read(test).matchAll(/\bT\.(\w+)/g)].map(([, name]) => name));
  const names = exportedNames(entry).filter((name) => entry === "ts/index.ts" || !errors.includes(name));
  expect(names.length).toBeGreaterThan(35);
  expect(names.filter((name) => !used.has(name))).toEqual([]);
});
