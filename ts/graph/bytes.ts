import { formatByName } from "./formats.ts";
import { type Dims, elements, type Tensor } from "./tensor.ts";

/** Bytes of a tensor in a run with these dims. I32 elements have 4 bytes, formats count by blocks. */
export function tensorBytes(tensor: Pick<Tensor, "type" | "shape">, dims: Dims): number {
  const count = elements(tensor.shape, dims);
  if (tensor.type === "I32") return 4 * count;
  const { blockSize, blockBytes } = formatByName(tensor.type);
  return (count / blockSize) * blockBytes;
}
