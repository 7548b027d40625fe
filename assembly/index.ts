export * from "../build/dispatch";
export { rewind, run, wait, wake } from "./interpreter";
