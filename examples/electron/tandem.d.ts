export * from "./node_modules/tandem-llm/dist/types/browser.js";
