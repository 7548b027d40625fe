import { expect, it } from "vitest";
import { Pace } from "../../ts/serving/pace.ts";

/** A pace after many steps at one speed, in tokens a second. */
function paceAt(speed: number): Pace {
  const pace = new Pace(512);
  for (let step = 0; step < 60; step++) {
    const tokens = pace.promptTokens(1) + 1;
    pace.took(tokens, (tokens / speed) * 1e3);
  }
  return pace;
}

it("a step beside streams takes about 100 ms, one that nobody waits for about a second, whatever the machine's speed", () => {
  expect(paceAt(1500).promptTokens(4)).toBe(124); // with the streams' tokens a power of two
  expect(paceAt(1500).promptTokens(0)).toBe(512);
  expect(paceAt(300).promptTokens(4)).toBe(12);
  expect(paceAt(300).promptTokens(0)).toBe(256);
  expect(paceAt(10).promptTokens(4)).toBe(8); // a prompt gets on, however slow the machine
});

it("begins with little", () => {
  expect(new Pace(512).promptTokens(0)).toBeLessThanOrEqual(64);
});
