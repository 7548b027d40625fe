export * from "../build/dispatch";
export { rewind, run, wait, wake } from "./interpreter";
export { holdTile } from "./matmul/tile_choice";
