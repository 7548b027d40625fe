import type { GgufFile } from "../io/gguf.ts";
import { checksum } from "../memory/snapshot.ts";
import type { ContextShape } from "../models/architecture.ts";

/** Tells models and cache types apart: state saved with one is noise to another. A hash of the tensor table and the cache types. */
export function fingerprint(
  file: Pick<GgufFile, "tensors" | "metadata">,
  { cacheTypeK, cacheTypeV }: Pick<ContextShape, "cacheTypeK" | "cacheTypeV">,
): string {
  const table = [...file.tensors.values()].map(({ name, typeName, shape, offset }) => `${name} ${typeName} ${shape.join("x")} ${offset}`);
  const name = file.metadata.optionalString("general.name") ?? "";
  const text = new TextEncoder().encode([name, cacheTypeK, cacheTypeV, ...table].join("\n"));
  return `${checksum(text).toString(16).padStart(8, "0")}-${cacheTypeK}-${cacheTypeV}`;
}
