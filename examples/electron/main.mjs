/** The window, and the engine in a process of its own: neither can freeze the other. */
import path from "node:path";
import { fileURLToPath } from "node:url";
import { app, BrowserWindow, MessageChannelMain, utilityProcess } from "electron";

const file = (/** @type {string} */ name) => fileURLToPath(new URL(name, import.meta.url));
// Command lines of packaged apps have no "." before the user's arguments.
const [modelPath = file("../models/qwen3next-mini-q4_k_m.gguf")] = process.argv.slice(app.isPackaged ? 1 : 2);

/** @type {import("electron").UtilityProcess | undefined} */
let engine;
function startEngine() {
  const started = utilityProcess.fork(file("engine.mjs"), [path.resolve(modelPath)], { serviceName: "Tandem" });
  started.once("exit", (code) => {
    console.error(`the engine ended with code ${code}: reload the window to start it again`);
    engine = undefined;
  });
  return started;
}

await app.whenReady();
const window = new BrowserWindow({
  width: 720,
  height: 560,
  webPreferences: { preload: file("preload.cjs"), contextIsolation: true, sandbox: true, nodeIntegration: false },
});
// The page and the engine talk through a port of their own; this process passes no tokens on. A reload gets a new one.
window.webContents.on("did-finish-load", () => {
  const { port1, port2 } = new MessageChannelMain();
  engine ??= startEngine();
  engine.postMessage("port", [port1]);
  window.webContents.postMessage("tandem-port", null, [port2]);
});
app.on("window-all-closed", () => {
  engine?.kill();
  app.quit();
});
await window.loadFile("index.html");
