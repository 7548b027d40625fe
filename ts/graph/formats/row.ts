/** What the table of weight formats knows of one format, its name apart. */
export interface Row {
  /** Type id in GGUF files. */
  readonly ggmlType: number;
  /** Elements a block. */
  readonly blockSize: number;
  readonly blockBytes: number;
  /** Fills `out` with the first out.length elements: the meaning of the format, in plain loops. */
  readonly dequantize: (bytes: Uint8Array, out: Float32Array) => void;
  /** Rounds values (a whole number of blocks) to the format. Only formats that the KV cache or the tests write have it. */
  readonly quantize?: (values: Float32Array) => Uint8Array;
}

type Block = (bytes: Uint8Array, at: number, out: Float32Array, outAt: number) => void;

/** Turns "dequantise one block" into "dequantise a row". */
export function eachBlock(blockSize: number, blockBytes: number, block: Block): Row["dequantize"] {
  return (bytes, out) => {
    for (let o = 0, p = 0; o < out.length; o += blockSize, p += blockBytes) block(bytes, p, out, o);
  };
}

/** Little-endian 16 bits: blocks need not be aligned. */
export function u16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}
