import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

/** Names that a module exports, types too, each with the module that declares it: of export lists, own declarations and whole modules. */
function exported(path: string): Map<string, string> {
  const text = read(path);
  const listed = [...text.matchAll(/^export (?:type )?\{([^}]+)\} from "\.\/(.+)"/gm)].flatMap(([, list, from]) =>
    list!.split(",").map((item) => [item.trim().replace(/^type /, ""), `ts/${from}`] as const),
  );
  const own = [...text.matchAll(/^export (?:class|interface|type|function|const) (\w+)/gm)].map(([, name]) => [name!, path] as const);
  const whole = [...text.matchAll(/^export (?:type )?\* from "\.\/(.+)"/gm)].flatMap(([, from]) => [...exported(`ts/${from}`)]);
  return new Map([...listed, ...own, ...whole].filter(([name]) => name));
}

const index = exported("ts/index.ts");
const used = (test: string) => new Set([...read(test).matchAll(/\bT\.(\w+)/g)].map(([, name]) => name));

it("node.test.ts uses every export of ts/index.ts", () => {
  expect(index.size).toBeGreaterThan(100);
  expect([...index.keys()].filter((name) => !used("tests/types/node.test.ts").has(name))).toEqual([]);
});

/** What both entries take from one module has its check in node.test.ts. */
it("browser.test.ts uses every export of ts/browser.ts that is its own", () => {
  const own = [...exported("ts/browser.ts")].filter(([name, from]) => index.get(name) !== from).map(([name]) => name);
  expect(own.length).toBeGreaterThan(5);
  expect(own.filter((name) => !used("tests/types/browser.test.ts").has(name))).toEqual([]);
});
