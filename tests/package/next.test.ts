import { type ChildProcess, spawn } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { launchChromium } from "../../scripts/chromium.mjs";
import { MODEL, output } from "./commands.ts";

const PACKAGES = ["next@16.4.6", "react@19.3.1", "react-dom@19.3.1"];
const PORT = 3411;

/** A server component and a client component, each with the package: rendered on the server, both of them, when the app is built. */
const APP = {
  "layout.jsx": "export default ({ children }) => <html lang='en'><body>{children}</body></html>;",
  "page.jsx": `import { GgufError, openGguf } from "tandem-llm";
import { Answer } from "./answer.jsx";
export default async function Page() {
  const { tensors } = await openGguf("public/model.gguf");
  return <main><p>{tensors.size} tensors, {new GgufError("x").code}</p><Answer /></main>;
}`,
  "answer.jsx": `"use client";
import { useEffect, useState } from "react";
import * as tandem from "tandem-llm";
import { smoke } from "./smoke.mjs";
export function Answer() {
  const [text, setText] = useState(new tandem.GgufError("x").code);
  useEffect(() => void smoke(tandem, "/model.gguf").then((answer) => setText(answer.text), (error) => setText(String(error))), []);
  return <output>{text}</output>;
}`,
};

const browser = await launchChromium();
const folder = path.join(path.dirname(inject("tarball")), "next");
const environment = { NEXT_TELEMETRY_DISABLED: "1" };
let server: ChildProcess | undefined;

beforeAll(() => {
  for (const part of ["app", "public"]) mkdirSync(path.join(folder, part), { recursive: true });
  for (const [name, text] of Object.entries(APP)) writeFileSync(path.join(folder, "app", name), text);
  copyFileSync(path.join(import.meta.dirname, "smoke.mjs"), path.join(folder, "app/smoke.mjs"));
  copyFileSync(MODEL, path.join(folder, "public/model.gguf"));
  writeFileSync(path.join(folder, "package.json"), JSON.stringify({ name: "next-app", private: true }));
  output("npm", ["install", "--no-audit", "--no-fund", inject("tarball"), ...PACKAGES], folder);
});
afterAll(async () => {
  server?.kill();
  await browser?.close();
});

describe("Next", () => {
  it("builds, and renders on the server what needs no GPU and no thread", () => {
    output(process.execPath, ["node_modules/next/dist/bin/next", "build"], folder, environment);
    const html = readFileSync(path.join(folder, ".next/server/app/index.html"), "utf8");
    expect(html.replaceAll("<!-- -->", "")).toMatch(/<p>\d\d+ tensors, gguf<\/p>.*<output>gguf<\/output>/s);
  });

  it.skipIf(!browser)("answers in the page as the command does in Node", async () => {
    const command = ["node_modules/next/dist/bin/next", "start", "-p", String(PORT)];
    server = spawn(process.execPath, command, { cwd: folder, env: { ...process.env, ...environment } });
    await new Promise<void>((resolve) => server!.stdout!.on("data", (data) => String(data).includes("Ready") && resolve()));
    const page = await browser!.newPage();
    await page.goto(`http://localhost:${PORT}/`);
    await page.waitForFunction(() => document.querySelector("output")!.textContent !== "gguf");
    const args = ["run", "-m", MODEL, "--raw", "--temp", "0", "-n", "12", "--json", "PostgreSQL is"];
    const { text } = JSON.parse(output(path.join(folder, "node_modules/.bin/tandem"), args, folder)) as { text: string };
    expect(await page.textContent("output")).toBe(text);
    await page.close();
  });
});
