import { expect } from "vitest";
import { type GgufFile, openGguf } from "../../ts/io/gguf.ts";
import type { SynthOptions } from "../../ts/synth/options.ts";
import { synthesize, synthSize } from "../../ts/synth/synthesize.ts";

/** A file of any size, its data never written: only the header is read. */
export async function headerOnly(options: SynthOptions): Promise<GgufFile> {
  const enough = new Error("enough");
  let header = new Uint8Array(0);
  const keep = (bytes: Uint8Array) => {
    header = bytes.slice();
    throw enough;
  };
  await expect(synthesize(options, keep)).rejects.toBe(enough);
  const read = async (offset: number, bytes: number) => {
    const out = new Uint8Array(bytes);
    out.set(header.subarray(offset, offset + bytes));
    return out;
  };
  return openGguf({ name: options.preset, size: synthSize(options).bytes, read, close: async () => {} });
}
