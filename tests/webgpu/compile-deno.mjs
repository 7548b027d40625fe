// Run by Deno with a JSON list of kernels: naga is another compiler than Dawn's, and stricter here and there.
import { readFileSync } from "node:fs";
import { compileAll } from "./compile-all.mjs";

const adapter = await navigator.gpu?.requestAdapter();
if (!adapter) {
  console.log("no adapter");
} else {
  const kernels = JSON.parse(readFileSync(process.argv[2], "utf8"));
  const problems = await compileAll(adapter, kernels, true);
  for (const problem of problems) console.log(problem);
  console.log(problems.length ? "failed" : `compiled ${kernels.length}`);
}
process.exit(0);
