import { UnsupportedModelError } from "../errors.ts";
import type { GgufFile } from "../io/gguf.ts";
import type { Architecture } from "./architecture.ts";
import { type Config, readConfig } from "./config.ts";
import { qwen3next } from "./qwen3next.ts";
import { qwen35 } from "./qwen35.ts";
import { qwen35moe } from "./qwen35moe.ts";

const architectures: readonly Architecture[] = [qwen3next, qwen35, qwen35moe];

/** The architecture that a file names, and its numbers. Throws UnsupportedModelError or GgufError. */
export function identify(file: Pick<GgufFile, "name" | "metadata" | "tensors">): { architecture: Architecture; config: Config } {
  const name = file.metadata.getString("general.architecture");
  const architecture = architectures.find((one) => one.name === name);
  if (!architecture) {
    const known = architectures.map((one) => one.name).join(", ");
    throw new UnsupportedModelError(`${file.name}: architecture "${name}" is not one of ${known}: use a model of the Qwen3-Next family`);
  }
  const embedding = file.tensors.get("token_embd.weight");
  if (embedding?.shape.length !== 2) {
    throw new UnsupportedModelError(`${file.name}: tensor "token_embd.weight" [V, E] is missing: the file holds no language model's trunk`);
  }
  return { architecture, config: readConfig(file.metadata, embedding.shape[0]!) };
}
