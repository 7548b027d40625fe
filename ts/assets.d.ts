/** Binary and text files that the build inlines: see scripts/rollup-assets.mjs. */
declare module "*.wasm" {
  const bytes: Uint8Array<ArrayBuffer>;
  export default bytes;
}
declare module "*.wgsl" {
  const text: string;
  export default text;
}
/** dist/browser/worker.js as text: see rollup.config.mjs. */
declare module "tandem:worker-script" {
  const script: string;
  export default script;
}

declare module "xgrammar:binding" {
  const instantiate: import("./api/grammar/xgrammar-binding.ts").Instantiate;
  export default instantiate;
}

/** Gives the grammar thread's script, as text: see scripts/rollup-grammar.mjs. */
declare module "tandem:grammar-script" {
  const script: () => Promise<string>;
  export default script;
}
