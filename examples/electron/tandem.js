/** The browser bundle as it is in the package: a page has no package names of its own, and its policy no place for an import map. */
export * from "./node_modules/tandem-llm/dist/browser/index.js";
