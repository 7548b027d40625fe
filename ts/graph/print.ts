import type { Graph } from "./graph.ts";
import { showShape } from "./tensor.ts";

/** The graph as text, a node a line: number, op, inputs with shapes, outputs with shapes. */
export function printGraph(graph: Graph): string {
  const lines = graph.nodes.map((node) => {
    const show = (tensors: typeof node.inputs) =>
      Object.values(tensors)
        .map((t) => `${t.name} ${t.type === "F32" ? "" : t.type}${showShape(t.shape)}`)
        .join(", ");
    const params = Object.entries(node.params).map(([key, value]) => `${key}=${value}`);
    const writes = node.op.mutates.map((argument) => node.inputs[argument]!.name);
    const out = [show(node.outputs), ...(writes.length ? [`writes ${writes.join(", ")}`] : [])].filter(Boolean).join("; ");
    return `${String(node.id).padStart(4)}  ${node.op.name.padEnd(14)} ${show(node.inputs)}${params.length ? ` {${params.join(", ")}}` : ""} -> ${out}`;
  });
  return `${lines.join("\n")}\ngraph nodes = ${graph.nodes.length}\n`;
}
