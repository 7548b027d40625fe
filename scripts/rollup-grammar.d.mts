import type { Plugin } from "rollup";
export function grammarScript(): Plugin;
