import { expect, it } from "vitest";
import { fuzz } from "../server/fuzz.ts";

it("100,000 random bodies: none is answered with a 500", { timeout: 30 * 60_000 }, async () => {
  const statuses = await fuzz(100_000);
  console.log(Object.fromEntries(statuses));
  expect([...statuses.keys()].sort()).toEqual([200, 400]);
});
