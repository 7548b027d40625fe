import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { openSha256, Sha256 } from "../../ts/store/sha256.ts";

const bytes = new Uint8Array(1000).map((_, i) => (i * 167 + 13) & 255);

test("agrees with Node's at every length, in one piece and in many", () => {
  for (let length = 0; length < 260; length++) {
    const wanted = createHash("sha256").update(bytes.subarray(0, length)).digest("hex");
    const whole = new Sha256();
    whole.update(bytes.subarray(0, length));
    expect(whole.hex()).toBe(wanted);
    const parts = new Sha256();
    for (let at = 0, step = 1; at < length; at += step, step = (step % 70) + 7)
      parts.update(bytes.subarray(at, Math.min(at + step, length)));
    expect(parts.hex()).toBe(wanted);
  }
});

test("the platform's gives the same", async () => {
  const [ours, theirs] = [new Sha256(), await openSha256()];
  for (const hash of [ours, theirs]) hash.update(bytes);
  expect(ours.hex()).toBe(theirs.hex());
});
