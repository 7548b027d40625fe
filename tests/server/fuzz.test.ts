import { expect, it } from "vitest";
import { fuzz } from "./fuzz.ts";

it("5,000 random bodies: none is answered with a 500", async () => {
  const statuses = await fuzz(5_000, 11);
  expect([...statuses.keys()].sort()).toEqual([200, 400]);
  // Were all refused at the door, nothing behind it would have been tried.
  expect(statuses.get(200)).toBeGreaterThan(250);
});
