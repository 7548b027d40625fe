import type { Plugin } from "rollup";
export function xgrammar(): Plugin;
