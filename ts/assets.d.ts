/** Binary and text files that the build inlines: see scripts/rollup-assets.mjs. */
declare module "*.wasm" {
  const bytes: Uint8Array<ArrayBuffer>;
  export default bytes;
}
declare module "*.wgsl" {
  const text: string;
  export default text;
}
