import { InvalidArgumentError } from "../errors.ts";
import type { Dim, Tensor } from "./tensor.ts";
import { showShape } from "./tensor.ts";

/**
 * The little language in which an op states its arguments: `type[axis, axis, …]`.
 *
 * types  f32 · i32 · weight (any format, F32 values included) · cache (F32, F16 or Q8_0)
 * axes   `D` binds the letter D to that extent, and demands it wherever D stands again; `3` demands 3;
 *        `T...` (first only) binds T to the product of all leading axes; `N?` may be missing, and is 1 then;
 *        an output may be `[=x]`, of the shape of input x.
 */
export interface Signature {
  readonly text: string;
  readonly type: "f32" | "i32" | "weight" | "cache";
  readonly axes: readonly Axis[];
}
interface Axis {
  readonly letter: string;
  readonly kind: "one" | "rest" | "optional";
}

const cached = new Map<string, Signature>();

export function parseSignature(text: string): Signature {
  const known = cached.get(text);
  if (known) return known;
  const match = /^(f32|i32|weight|cache)\[(.*)\]$/.exec(text);
  if (!match) throw new InvalidArgumentError(`signature "${text}" must read type[axes] with type f32, i32, weight or cache`);
  const axes = match[2]!.split(",").map((part): Axis => {
    const axis = part.trim();
    if (axis.endsWith("...")) return { letter: axis.slice(0, -3), kind: "rest" };
    if (axis.endsWith("?")) return { letter: axis.slice(0, -1), kind: "optional" };
    return { letter: axis, kind: "one" };
  });
  const signature: Signature = { text, type: match[1] as Signature["type"], axes };
  cached.set(text, signature);
  return signature;
}

const accepted = { f32: ["F32"], i32: ["I32"], cache: ["F32", "F16", "Q8_0"] } as const;

/** Whether a tensor's element type or format is one that the signature takes. */
export function acceptsType(signature: Signature, type: Tensor["type"]): boolean {
  if (signature.type === "weight") return type !== "I32";
  return (accepted[signature.type] as readonly string[]).includes(type);
}

/** Letter -> extent(s), with the argument that bound it, for the error message. A rest letter binds several. */
export interface Binding {
  readonly dims: readonly Dim[];
  readonly from: string;
}
export type Bindings = Map<string, Binding>;

/** Binds the letters of one argument. Returns what is wrong, or undefined. */
export function bind(signature: Signature, argument: string, tensor: Tensor, bindings: Bindings): string | undefined {
  const { axes } = signature;
  const rest = axes[0]?.kind === "rest";
  const missing = axes.length - tensor.shape.length;
  const optional = axes.filter((axis) => axis.kind === "optional").length;
  if (rest ? missing > 0 : missing < 0 || missing > optional) return signature.text;
  const leading = rest ? tensor.shape.length - axes.length + 1 : 0;
  for (let i = 0; i < axes.length; i++) {
    const axis = axes[i]!;
    const dims: readonly Dim[] = rest
      ? i === 0
        ? tensor.shape.slice(0, leading)
        : [tensor.shape[leading + i - 1]!]
      : [i < missing ? 1 : tensor.shape[i - missing]!];
    const constant = Number(axis.letter);
    if (!Number.isNaN(constant)) {
      if (dims[0] !== constant) return signature.text;
      continue;
    }
    const bound = bindings.get(axis.letter);
    if (!bound) bindings.set(axis.letter, { dims, from: `${argument} "${tensor.name}" ${showShape(tensor.shape)}` });
    else if (bound.dims.join() !== dims.join())
      return `${signature.text} with ${axis.letter} = ${bound.dims.join(" · ")} (from ${bound.from})`;
  }
  return undefined;
}
