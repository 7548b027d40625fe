import common from "../../../gpu/common.wgsl";
import matmulFinish from "../../../gpu/matmul_finish.wgsl";
import matmulFinishConv from "../../../gpu/matmul_finish_conv.wgsl";
import { scalarsOf } from "../../graph/op.ts";
import type { Node } from "../../graph/tensor.ts";
import type { Dispatch, LoweringContext } from "./dispatch.ts";
import { lowerConv1d } from "./lower-delta.ts";

/** What matmul_finish_conv.wgsl binds besides the matmul's own. */
const CONV_BINDINGS = 4;

/**
 * The dispatches of a matmul, and of the conv1d that alone reads its columns from `first` on. For one token the matrix-vector kernel holds
 * a channel's newest input where it would store it, and does the convolution there: a delta-net layer has a dispatch fewer.
 */
export function withConv(matmul: readonly Dispatch[], conv: Node, first: number, context: LoweringContext): readonly Dispatch[] {
  const { T, C } = scalarsOf(conv, context.dims);
  const finishes = ({ kernel }: Dispatch) => kernel.files.includes(matmulFinish);
  const most = Math.max(...matmul.map(({ bindings }) => bindings.length));
  const possible = T === 1 && most + CONV_BINDINGS <= context.caps.limits.maxStorageBuffersPerShaderStage && matmul.some(finishes);
  if (!possible) return [...matmul, ...lowerConv1d(conv, context)];
  const { weight, state, rows } = conv.inputs;
  const bindings = [conv.outputs.out!, weight!, state!, rows!].map((tensor) => context.range(tensor));
  return matmul.map((one) => {
    if (!finishes(one)) return one; // what prepares activations
    const { kernel } = one;
    const n = one.bindings.length;
    const places = { CONV_OUT: n, CONV_TAPS: n + 1, CONV_STATE: n + 2, CONV_ROWS: n + 3 };
    const fused = {
      ...kernel,
      name: `${kernel.name} + conv1d`,
      files: [common, ...kernel.files.map((file) => (file === matmulFinish ? matmulFinishConv : file))],
      constants: { ...kernel.constants, ...places, CONV_FIRST: first, CONV_C: C! },
      access: [...kernel.access, "read_write", "read", "read_write", "read"] as const,
    };
    return { ...one, kernel: fused, bindings: [...one.bindings, ...bindings] };
  });
}
