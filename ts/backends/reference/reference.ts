import { BackendError } from "../../errors.ts";
import { Encoded } from "../../graph/encoded.ts";
import type { Format } from "../../graph/formats.ts";
import { scalarsOf } from "../../graph/op.ts";
import { parseSignature } from "../../graph/signature.ts";
import { type Dims, elements, type Node, type Tensor } from "../../graph/tensor.ts";
import type { Backend, BackendBuffer, Plan, Split } from "../backend.ts";

class PlainBuffer implements BackendBuffer {
  readonly data: Uint8Array;
  constructor(bytes: number) {
    this.data = new Uint8Array(bytes);
  }
  get bytes(): number {
    return this.data.length;
  }
}

/** Runs each node by its declaration's plain loops. Slow, and right by definition: the other backends are tested against it. */
export class ReferenceBackend implements Backend {
  readonly name = "reference";

  supports(): boolean {
    return true;
  }
  alloc(bytes: number): BackendBuffer {
    return new PlainBuffer(bytes);
  }
  free(): void {}
  write(buffer: BackendBuffer, offset: number, bytes: Uint8Array): void {
    plain(buffer).set(bytes, offset);
  }
  async read(buffer: BackendBuffer, offset: number, bytes: number): Promise<Uint8Array> {
    return plain(buffer).slice(offset, offset + bytes);
  }
  async prepare(split: Split): Promise<Plan> {
    return { split, dispose() {} };
  }
  run(plan: Plan, dims: Dims): void {
    for (const node of plan.split.nodes) runNode(plan.split, node, dims);
  }
  close(): void {}
}

function plain(buffer: BackendBuffer): Uint8Array {
  if (!(buffer instanceof PlainBuffer)) throw new BackendError("reference: this buffer belongs to another backend");
  return buffer.data;
}

function runNode(split: Split, node: Node, dims: Dims): void {
  const args: Record<string, unknown> = {};
  for (const [signatures, tensors] of [
    [node.op.inputs, node.inputs],
    [node.op.outputs, node.outputs],
  ] as const) {
    for (const [argument, text] of Object.entries(signatures))
      args[argument] = view(split, tensors[argument]!, parseSignature(text).type, dims);
  }
  node.op.reference(args as never, scalarsOf(node, dims));
}

/** A tensor's memory as the type that references take. */
function view(split: Split, tensor: Tensor, as: "f32" | "i32" | "weight" | "cache", dims: Dims): Float32Array | Int32Array | Encoded {
  const location = split.locations.get(tensor.storage);
  if (!location) throw new BackendError(`reference: tensor "${tensor.name}" has no location in this split`);
  const data = plain(location.buffer);
  if (as === "weight" || as === "cache") return new Encoded(tensor.type as Format, data.subarray(location.offset));
  const View = as === "i32" ? Int32Array : Float32Array;
  return new View(data.buffer as ArrayBuffer, data.byteOffset + location.offset, elements(tensor.shape, dims));
}
