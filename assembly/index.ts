export * from "../build/dispatch";
export { rewind, run, wait, wake } from "./interpreter";
export { holdDots } from "./matmul/few_choice";
export { holdTile } from "./matmul/tile_choice";
