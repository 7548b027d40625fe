import { ShapeError } from "../errors.ts";
import type { Encoded } from "./encoded.ts";
import { acceptsType, type Bindings, bind, parseSignature } from "./signature.ts";
import {
  type Cost,
  type Dim,
  type Dims,
  extent,
  type GraphLike,
  type Node,
  type OpLike,
  ownStorage,
  type Scalars,
  showShape,
  type Tensor,
} from "./tensor.ts";

type Sig = `${"f32" | "i32" | "weight" | "cache"}[${string}]`;
/** What the reference receives for an argument: plain numbers, or an encoded array that it decodes row by row. */
type Argument<S extends string> = S extends `f32[${string}` ? Float32Array : S extends `i32[${string}` ? Int32Array : Encoded;
type Arguments<A extends Record<string, string>> = { readonly [K in keyof A]: Argument<A[K]> };
/** Either a number for a letter or param, or the content of an i32 input. */
export type Case = Readonly<Record<string, number | readonly number[]>>;

/** An op is declared once; the builder, shape inference, kernels' arguments, tests, benchmark and costs hang from it. */
export interface OpSpec<I extends Record<string, Sig>, O extends Record<string, Sig>, P extends string> {
  /** Arguments in the order that every kernel takes them. */
  readonly inputs: I;
  readonly outputs: O;
  /** Scalars besides the dimension letters: f32 has a fraction, u32 has none. */
  readonly params?: Readonly<Record<P, "f32" | "u32">>;
  /** Inputs that the op writes in place (caches and recurrent state). */
  readonly mutates?: readonly (keyof I & string)[];
  /** What no letter can say, e.g. divisibility: returns what is wrong. */
  readonly check?: (scalars: Scalars) => string | undefined;
  /** The meaning, in plain loops. Every backend is tested against it. */
  readonly reference: (args: Arguments<I> & Arguments<O>, scalars: Scalars) => void;
  /** Independent pieces of work, as the CPU kernel's [begin, end) counts them. */
  readonly units: (scalars: Scalars) => number;
  /** Whether a unit touches its own share of every argument that is no weight, and nothing of the others'. Default: no. */
  readonly rowwise?: (scalars: Scalars) => boolean;
  readonly cost: (scalars: Scalars) => Cost;
  /** Sizes and index inputs that the conformance suite runs on every backend. */
  readonly cases: readonly Case[];
  /** Largest error allowed against the reference, relative to the output's root mean square. */
  readonly tolerance: number;
  /** The same for caches of one type, where backends may round what meets them. */
  readonly cacheTolerance?: Readonly<Record<string, number>>;
}

type Result<O extends Record<string, Sig>> = keyof O extends "out"
  ? O extends { out: Sig }
    ? Tensor
    : undefined
  : { readonly [K in keyof O]: Tensor };

/** A declared op: call it with tensors to append a node to their graph. */
export interface Op<I extends Record<string, Sig>, O extends Record<string, Sig>, P extends string> {
  (inputs: { readonly [K in keyof I]: Tensor }, params?: { readonly [K in P]: number }, name?: string): Result<O>;
  readonly declaration: OpDeclaration;
}

/** A declaration as the test suite and the backends see it, free of its type parameters. */
export interface OpDeclaration extends OpLike {
  readonly params: Readonly<Record<string, "f32" | "u32">>;
  readonly cases: readonly Case[];
  readonly tolerance: number;
  readonly cacheTolerance?: Readonly<Record<string, number>>;
}

/** Declares an op. See OpSpec for the fields and ops/ for examples. */
export function op<const I extends Record<string, Sig>, const O extends Record<string, Sig>, const P extends string = never>(
  name: string,
  spec: OpSpec<I, O, P>,
): Op<I, O, P> {
  const declaration: OpDeclaration = {
    ...spec,
    name,
    params: spec.params ?? {},
    mutates: spec.mutates ?? [],
    check: spec.check,
    reference: spec.reference as OpDeclaration["reference"],
  };
  const apply = (inputs: Readonly<Record<string, Tensor>>, params: Readonly<Record<string, number>> = {}, label?: string) => {
    const letters = infer(declaration, inputs, params);
    const graph = Object.values(inputs)[0]!.graph;
    const outputs = makeOutputs(declaration, inputs, letters, label ?? name, graph);
    graph.append({ name: label ?? name, op: declaration, inputs, outputs, params, letters });
    const names = Object.keys(outputs);
    return names.length === 1 && names[0] === "out" ? outputs.out : outputs;
  };
  return Object.assign(apply, { declaration }) as unknown as Op<I, O, P>;
}

/** Solves the letters of an op from its inputs' shapes. Throws ShapeError, the one message that every op shares. */
function infer(
  declaration: OpDeclaration,
  inputs: Readonly<Record<string, Tensor>>,
  params: Readonly<Record<string, number>>,
): Node["letters"] {
  const bindings: Bindings = new Map();
  for (const letter of Object.keys(params)) bindings.set(letter, { dims: [params[letter]!], from: "params" });
  for (const [argument, text] of Object.entries(declaration.inputs)) {
    const tensor = inputs[argument];
    if (!tensor) throw new ShapeError(`${declaration.name}: ${argument} ${text} is missing`);
    const signature = parseSignature(text);
    const wanted = acceptsType(signature, tensor.type) ? bind(signature, argument, tensor, bindings) : signature.text;
    if (wanted)
      throw new ShapeError(
        `${declaration.name}: ${argument} must be ${wanted}, got "${tensor.name}" ${tensor.type}${showShape(tensor.shape)}`,
      );
  }
  for (const param of Object.keys(declaration.params)) {
    if (params[param] === undefined) throw new ShapeError(`${declaration.name}: param ${param} is missing`);
  }
  const letters = new Map([...bindings].map(([letter, { dims }]) => [letter, dims]));
  // Two primes stand for the varying extents: a divisibility that holds for them holds for every T and O.
  const wrong = declaration.check?.(toScalars(letters, { T: 7919, O: 7907 }));
  if (wrong) {
    const got = Object.keys(declaration.inputs).map((a) => `${a} "${inputs[a]!.name}" ${showShape(inputs[a]!.shape)}`);
    throw new ShapeError(`${declaration.name}: ${wrong}, got ${got.join(", ")}`);
  }
  return letters;
}

function toScalars(letters: Node["letters"], dims: Dims): Record<string, number> {
  const scalars: Record<string, number> = {};
  for (const [letter, extents] of letters) {
    let product = 1;
    for (const dim of extents) product *= extent(dim, dims);
    scalars[letter] = product;
  }
  return scalars;
}

function makeOutputs(
  declaration: OpDeclaration,
  inputs: Node["inputs"],
  letters: Node["letters"],
  label: string,
  graph: GraphLike,
): Record<string, Tensor> {
  const entries = Object.entries(declaration.outputs).map(([argument, text]) => {
    const signature = parseSignature(text);
    const axes = signature.axes.map(({ letter }) => letter);
    const alike = axes[0]?.startsWith("=") ? inputs[axes[0].slice(1)] : undefined;
    const shape = alike?.shape ?? axes.flatMap((letter): readonly Dim[] => letters.get(letter) ?? [Number(letter)]);
    const name = argument === "out" ? label : `${label}.${argument}`;
    const tensor = { name, kind: "value" as const, type: signature.type === "i32" ? ("I32" as const) : ("F32" as const), shape, graph };
    return [argument, ownStorage(tensor)];
  });
  return Object.fromEntries(entries);
}

/** The letters and params of a node as numbers, in a run with these dims. */
export function scalarsOf(node: Node, dims: Dims): Scalars {
  return toScalars(node.letters, dims);
}
