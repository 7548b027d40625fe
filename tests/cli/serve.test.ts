import { spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { cliPath, tandem } from "./tandem.ts";

const deno = fileURLToPath(new URL("../../node_modules/.bin/deno", import.meta.url));
const RUNTIMES = { Node: [process.execPath], Deno: [deno, "run", "-A"] } as const;

describe("tandem serve", () => {
  it.each(["Node", "Deno"] as const)(
    "listens in %s, streams, notices who leaves, and stops on SIGTERM when answers are done",
    async (name) => {
      const [command, ...before] = RUNTIMES[name];
      const flags = ["serve", "--json", "--port", "0", "-c", "512", "-np", "2", "-t", "1", "--alias", "mini"];
      const server = spawn(command, [...before, cliPath, ...flags], { cwd: tmpdir(), stdio: ["ignore", "pipe", "ignore"] });
      try {
        const [line] = (await once(createInterface({ input: server.stdout }), "line")) as [string];
        const { url, ...rest } = JSON.parse(line) as { url: string };
        expect(rest).toEqual({ model: "mini", contextLength: 512, parallel: 2 });
        const ask = (more: object, signal?: AbortSignal) =>
          fetch(`${url}/v1/chat/completions`, {
            ...{ method: "POST", headers: { "content-type": "application/json" }, signal },
            body: JSON.stringify({ messages: [{ role: "user", content: "What is nginx?" }], stream: true, seed: 1, ...more }),
          });
        const leaving = new AbortController();
        const left = await ask({ logit_bias: { 0: 1 } }, leaving.signal);
        await left.body!.getReader().read();
        leaving.abort();
        const isIdle = async () => (await (await fetch(`${url}/metrics`)).text()).includes("tandem_sequences_active 0");
        while (!(await isIdle())) await new Promise((resolve) => setTimeout(resolve, 10));
        const stream = await ask({ max_tokens: 40 });
        server.kill("SIGTERM");
        expect(await stream.text()).toMatch(/"finish_reason":"(length|stop)"[\s\S]*data: \[DONE\]\n\n$/);
        expect(await once(server, "exit")).toEqual([0, null]);
      } finally {
        server.kill("SIGKILL");
      }
    },
  );

  it("says what is wrong before anything is loaded", () => {
    const { stderr, status } = tandem(["serve", "--port", "70000"]);
    expect(stderr).toContain('--port: wanted a whole number from 0 to 65535, got "70000"');
    expect(status).toBe(2);
  });
});
