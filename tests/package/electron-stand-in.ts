import { type ChildProcess, fork } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium, type Page } from "playwright-core";
import { chromiumPath } from "../../scripts/chromium.mjs";

interface FromEngine {
  readonly id: number;
  readonly data?: unknown;
  readonly closed?: boolean;
}
declare global {
  interface Window {
    /** Messages of the page's port, on their way to the engine, and the other way round. */
    toEngine(id: number, data: unknown): void;
    fromEngine(message: FromEngine): void;
    openPort(id: number): void;
    refused: string[];
  }
}

/** Before the page's scripts: `require("electron")` as the preload script has it, and the page's end of the port. */
function electronInPage(): void {
  const ports = new Map<number, MessagePort>();
  const listeners: ((event: { ports: readonly MessagePort[] }) => void)[] = [];
  window.refused = [];
  addEventListener("securitypolicyviolation", ({ violatedDirective }) => window.refused.push(violatedDirective));
  window.openPort = (id) => {
    const { port1, port2 } = new MessageChannel();
    ports.set(id, port1);
    port1.onmessage = ({ data }) => window.toEngine(id, data);
    for (const listener of listeners) listener({ ports: [port2] });
  };
  window.fromEngine = ({ id, data, closed }) => (closed ? ports.get(id)?.close() : ports.get(id)?.postMessage(data));
  const ipcRenderer = { on: (_: string, listener: (typeof listeners)[number]) => listeners.push(listener) };
  Object.assign(window, { require: () => ({ ipcRenderer }) });
}

/**
 * The example's files as they are, in two processes: its page and preload script in Chromium, from file: and under its policy, and its
 * engine in Node. Of Electron there is only what carries messages; main.mjs is not run, `window.load` here is its part.
 */
export class ElectronStandIn {
  readonly page: Page;
  readonly #folder: string;
  readonly #model: string;
  #engine: ChildProcess | undefined;
  #ports = 0;
  /** Messages one after the other: calls into a page could overtake each other. */
  #inOrder: Promise<unknown> = Promise.resolve();

  private constructor(page: Page, folder: string, model: string) {
    this.page = page;
    this.#folder = folder;
    this.#model = model;
  }

  static async start(folder: string, model: string): Promise<ElectronStandIn> {
    // What Electron gives its pages: modules from file:, and ports that tell when their other end has gone.
    const args = ["--no-sandbox", "--allow-file-access-from-files", "--enable-blink-features=MessagePortCloseEvent"];
    const browser = await chromium.launch({ executablePath: await chromiumPath(), headless: true, args });
    const page = await browser.newPage();
    page.setDefaultTimeout(120_000);
    const standIn = new ElectronStandIn(page, folder, model);
    await page.exposeFunction("toEngine", (id: number, data: unknown) => void standIn.#engine?.send({ id, data }));
    await page.addInitScript(electronInPage);
    await page.addInitScript(`{ ${readFileSync(path.join(folder, "preload.cjs"), "utf8")} }`);
    return standIn;
  }

  /** Loads the window, or reloads it: the old page's port closes, the new one gets another; an engine that has ended is started again. */
  async load(): Promise<void> {
    if (this.#ports > 0) this.#engine?.send({ id: this.#ports, closed: true });
    await this.page.goto(pathToFileURL(path.join(this.#folder, "index.html")).href);
    const id = ++this.#ports;
    this.#engine ??= this.#startEngine();
    this.#engine.send({ id, opened: true });
    await this.page.evaluate((id) => window.openPort(id), id);
  }

  /** As a crash does. */
  killEngine(): void {
    this.#engine?.kill("SIGKILL");
  }

  async close(): Promise<void> {
    this.killEngine();
    await this.#inOrder;
    await this.page.context().browser()?.close();
  }

  #startEngine(): ChildProcess {
    const shim = fileURLToPath(new URL("electron-parent-port.mjs", import.meta.url));
    const execArgv = ["--import", pathToFileURL(shim).href];
    const engine = fork(path.join(this.#folder, "engine.mjs"), [this.#model], { execArgv, serialization: "advanced" });
    const toPage = (message: FromEngine) => {
      this.#inOrder = this.#inOrder.then(() => this.page.evaluate((message) => window.fromEngine(message), message)).catch(() => undefined);
    };
    engine.on("message", (message) => toPage(message as FromEngine));
    engine.once("exit", () => {
      toPage({ id: this.#ports, closed: true });
      this.#engine = undefined;
    });
    return engine;
  }
}
