import { mkdtempSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestProject } from "vitest/node";
import { output, ROOT } from "./commands.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The package as npm would publish it. */
    tarball: string;
    /** What is in it, by npm's own account. */
    packed: { readonly files: readonly { readonly path: string; readonly size: number }[] };
    /** An empty project with nothing but that tarball installed. */
    project: string;
  }
}

/** Packs what is built and installs it, once for all test files. */
export default function setup({ provide }: TestProject): () => Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), "tandem-package-"));
  const printed = output("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], ROOT);
  const [packed] = JSON.parse(printed) as { filename: string; files: { path: string; size: number }[] }[];
  const tarball = path.join(folder, packed!.filename);
  const project = mkdtempSync(path.join(folder, "project-"));
  writeFileSync(path.join(project, "package.json"), JSON.stringify({ name: "newcomer", private: true, type: "module" }));
  output("npm", ["install", "--no-audit", "--no-fund", tarball], project);
  provide("tarball", tarball);
  provide("packed", { files: packed!.files });
  provide("project", project);
  // Not at one stroke: the test runner counts the seconds that its workers take to end.
  return () => rm(folder, { recursive: true, force: true });
}
