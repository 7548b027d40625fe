import { type Format, formats } from "../../ts/graph/formats.ts";
import type { Formats } from "./harness.ts";

const cacheTypes: readonly Format[] = ["F32", "F16", "Q8_0"];

/** Every choice of formats that makes a difference to an op with these inputs. */
export function formatsOf(inputs: Readonly<Record<string, string>>): Formats[] {
  const texts = Object.values(inputs);
  if (texts.some((text) => text.startsWith("weight"))) return formats.map(({ name }) => ({ weight: name, cache: "F32" }));
  if (texts.some((text) => text.startsWith("cache"))) return cacheTypes.map((cache) => ({ weight: "F32", cache }));
  return [{ weight: "F32", cache: "F32" }];
}
