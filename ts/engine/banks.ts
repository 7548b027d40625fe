import { OutOfMemoryError } from "../errors.ts";
import { tensorBytes } from "../graph/bytes.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { ModelGraph } from "../models/architecture.ts";
import type { Config } from "../models/config.ts";
import type { Pins } from "../schedule/schedule.ts";
import { TARGET } from "./placement.ts";

/**
 * CPU memory in banks: wasm32 addresses end at 4 GiB, so what a larger model has on the CPU lies in several memories. Each is a target of the
 * scheduler; a layer's weights and states stay together, and only the residual stream goes from bank to bank.
 */
export interface BankPlan {
  /** Weights and states of each bank. */
  readonly bytes: readonly number[];
  /** Where a weight or state is, by its layer. */
  readonly bankOf: (tensor: Tensor) => number;
  /** Changes of bank in a run: splits that no choice of devices avoids. */
  readonly borders: number;
}

/** What weights and states may take of a bank's 4 GiB; the rest is for values, scratch, programs and further contexts. */
const ROOM_BYTES = 3.5 * 2 ** 30;
/** Sets of targets are kept in bytes (schedule/assign.ts), and one may be a GPU. */
const MAX_BANKS = 7;

/**
 * Fills banks of `bankBytes` with what lies on the CPU: embedding, layers in order, head. `bytesOf` says what a tensor takes there.
 * Throws OutOfMemoryError for a layer that fits no bank, and for more banks than there can be.
 */
export function planBanks(
  { graph }: ModelGraph,
  { L }: Config,
  pins: Pins,
  bankBytes = ROOM_BYTES,
  bytesOf = (tensor: Tensor) => tensorBytes(tensor, { T: 1, O: 1 }),
): BankPlan {
  const parts = Array.from({ length: L + 2 }, () => 0); // embedding, layers, head
  for (const tensor of [...graph.weights.values(), ...graph.states.values()])
    if (pins(tensor).includes(TARGET.cpu)) parts[partOf(tensor, L)]! += bytesOf(tensor);
  const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  const bytes = [0];
  const bankOfPart = parts.map((size, part) => {
    if (size > bankBytes) {
      const what = part === 0 ? "the embedding" : part > L ? "the output head" : `layer ${part - 1} with its context`;
      throw new OutOfMemoryError(
        `${what} takes ${mib(size)} of CPU memory, one WebAssembly memory has room for ${mib(bankBytes)}: use a smaller quantisation or a shorter context`,
      );
    }
    if (bytes.at(-1)! + size > bankBytes) bytes.push(0);
    bytes[bytes.length - 1]! += size;
    return bytes.length - 1;
  });
  if (bytes.length > MAX_BANKS) {
    const total = parts.reduce((sum, size) => sum + size, 0);
    throw new OutOfMemoryError(
      `${mib(total)} of CPU memory are wanted, ${MAX_BANKS} WebAssembly memories have room for ${mib(MAX_BANKS * bankBytes)}: ` +
        "leave experts in the file (expertCache), put layers on a GPU, or use a smaller quantisation",
    );
  }
  const tied = !graph.weights.has("output.weight") && bytes.length > 1; // back to the embedding for the logits
  return { bytes, bankOf: (tensor) => bankOfPart[partOf(tensor, L)]!, borders: bytes.length - 1 + (tied ? 1 : 0) };
}

/** 0 the embedding, 1 … L the layers, L + 1 final norm and head. */
function partOf({ name, kind }: Tensor, L: number): number {
  const layer = (kind === "state" ? /-(\d+)$/ : /^blk\.(\d+)\./).exec(name)?.[1];
  if (layer !== undefined) return Number(layer) + 1;
  return name === "token_embd.weight" ? 0 : L + 1;
}

/** Target of a bank: banks after the first come behind the GPU, where there is one. */
export const bankTarget = (bank: number, hasGpu: boolean): number => (bank === 0 ? TARGET.cpu : bank + (hasGpu ? 1 : 0));

/** Pins with the CPU taken apart into banks. */
export function bankPins(pins: Pins, { bytes, bankOf }: BankPlan, hasGpu: boolean): Pins {
  if (bytes.length === 1) return pins;
  const known = new Map<Tensor, readonly number[]>();
  return (tensor) => {
    const banked = known.get(tensor) ?? pins(tensor).map((t) => (t === TARGET.cpu ? bankTarget(bankOf(tensor), hasGpu) : t));
    known.set(tensor, banked);
    return banked;
  };
}
