import { describe, expect, it } from "vitest";
import { barLine, Progress, plainLine, showSeconds } from "../../ts/cli/progress.ts";
import { printable, showBytes } from "../../ts/cli/terminal.ts";
import { ValueRow } from "../../ts/cli/value-row.ts";

function screen(isTTY: boolean) {
  const written: string[] = [];
  let time = 0;
  const stream = { isTTY, columns: 60, write: (text: string) => void written.push(text) };
  const progress = new Progress(stream, "work", () => time);
  const at = (milliseconds: number) => {
    time = milliseconds;
  };
  return { written, progress, at };
}

describe("Progress", () => {
  it("draws a bar over the one before, and takes it away", () => {
    const { written, progress, at } = screen(true);
    at(1000);
    progress.update(1, 4, "1 of 4", "above");
    expect(written.at(-1)).toBe("\r\x1b[Jabove\nwork ██████░░░░░░░░░░░░░░░░░░  25 % 1 of 4 3 s left");
    at(1050);
    progress.update(2, 4);
    expect(written).toHaveLength(1); // too soon
    at(2000);
    progress.update(2, 4);
    expect(written.at(-1)).toBe(`\r\x1b[1A\x1b[Jwork ${"█".repeat(12)}${"░".repeat(12)}  50 % 2 s left`);
    progress.clear();
    progress.clear();
    expect(written.at(-1)).toBe("\r\x1b[J");
    expect(written).toHaveLength(3);
  });

  it("shows nothing for short work", () => {
    const { written, progress, at } = screen(true);
    at(100);
    progress.update(1, 2);
    progress.clear();
    expect(written).toEqual([]);
  });

  it("writes rare plain lines where there is no terminal", () => {
    const { written, progress, at } = screen(false);
    for (const second of [1, 5, 11, 12, 30]) {
      at(second * 1000);
      progress.update(second, 60, "note", "never shown");
    }
    progress.clear();
    expect(written).toEqual(["work: 18 %, note, 49 s left\n", "work: 50 %, note, 30 s left\n"]);
  });

  it("never fills a line, which would wrap", () => {
    const state = { label: "a label", fraction: 0.5, leftSeconds: 4000, note: "n".repeat(50) };
    for (const columns of [1, 10, 40, 80]) expect(barLine(state, columns).length).toBeLessThan(columns);
    expect(plainLine({ ...state, note: "" })).toBe("a label: 50 %, 1 h 6 min left");
  });

  it.each([
    [0.2, "1 s"],
    [59, "59 s"],
    [60, "1 min 0 s"],
    [7500, "2 h 5 min"],
  ])("%s seconds are %s", (seconds, words) => {
    expect(showSeconds(seconds)).toBe(words);
  });
});

describe("ValueRow", () => {
  const fill = (columns: number | undefined) => {
    const printed: string[] = [];
    const row = new ValueRow(columns, (text) => void printed.push(text));
    const pending: (string | undefined)[] = [];
    for (const value of ["[1]1.0,", "[2]2.0,", "[3]3.0,"]) {
      row.add(value);
      pending.push(row.pending);
    }
    row.end();
    return { printed, pending };
  };

  it("prints at once without a shared screen", () => {
    expect(fill(undefined)).toEqual({ printed: ["[1]1.0,", "[2]2.0,", "[3]3.0,", "\n"], pending: [undefined, undefined, undefined] });
  });

  it("prints full lines where a bar is below", () => {
    const wanted = { printed: ["[1]1.0,[2]2.0,\n", "[3]3.0,\n"], pending: ["[1]1.0,", "[1]1.0,[2]2.0,", "[3]3.0,"] };
    expect(fill(15)).toEqual(wanted);
  });
});

describe("what comes from a file", () => {
  it("cannot steer the terminal", () => {
    expect(printable("a\nb\x1b[2J\x9bm\u202e")).toBe("a\\nb\\u001b[2J\\u009bm\\u202e");
    expect(printable("abcdef", 3)).toBe("abc…");
  });
  it.each([
    [512, "512 B"],
    [1536, "1.50 KiB"],
    [23 * 2 ** 20, "23.0 MiB"],
    [1.5 * 2 ** 30, "1.50 GiB"],
  ])("%s bytes are %s", (bytes, words) => {
    expect(showBytes(bytes)).toBe(words);
  });
});
