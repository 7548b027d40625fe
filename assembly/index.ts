export * from "../build/dispatch";
export { submit, worker } from "./interpreter";
