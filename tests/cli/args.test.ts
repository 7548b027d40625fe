import { describe, expect, it } from "vitest";
import { SPELLINGS, spellingsOf, translateArgs } from "../../ts/cli/args.ts";
import { UsageError } from "../../ts/cli/errors.ts";

const withValue = new Set(["-p", "--prompt", "-m", "-n", "--predict", "--ubatch-size", "--cache-type-k", "--system"]);
const translate = (...args: string[]) => translateArgs(args, (flag) => withValue.has(flag));

describe("llama.cpp's spellings", () => {
  it.each(Object.entries(SPELLINGS))("%s is %s", (spelling, declared) => {
    expect(translate(spelling)).toEqual([declared]);
  });

  it("keeps the declared names, single letters and words", () => {
    const args = ["run", "-m", "x.gguf", "--ubatch-size", "64", "-n", "-1", "hello", "world", "-"];
    expect(translate(...args)).toEqual(args);
  });

  it("takes --name=value for second names too", () => {
    expect(translate("--n-predict=5", "--temperature=0", "--predict=-1")).toEqual(["--predict=5", "--temp=0", "--predict=-1"]);
  });

  it("leaves values alone, whatever they look like", () => {
    expect(translate("-p", "-ub", "-ub", "-ctk")).toEqual(["-p", "-ub", "--ubatch-size", "-ctk"]);
    expect(translate("-p", "--", "-ub")).toEqual(["-p", "--", "--ubatch-size"]);
    expect(translate("--system=-ub", "-ub")).toEqual(["--system=-ub", "--ubatch-size"]);
  });

  it("reads no flags after --", () => {
    expect(translate("-ub", "8", "--", "-ub", "-xyz")).toEqual(["--ubatch-size", "8", "--", "-ub", "-xyz"]);
  });

  it("refuses several letters behind one dash that it does not know", () => {
    expect(() => translate("-temp", "0")).toThrow(UsageError);
    expect(() => translate("-temp", "0")).toThrow(/unknown option '-temp'.*--temp/);
  });

  it("lists short names first", () => {
    expect(spellingsOf("--gpu-layers")).toEqual(["-ngl", "--gpu-layers", "--n-gpu-layers"]);
    expect(spellingsOf("--top-k")).toEqual(["--top-k"]);
  });
});
