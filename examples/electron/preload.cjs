/** The one bridge between the page and the engine: two functions, no Node and no port in the page's hands. */
const { contextBridge, ipcRenderer } = require("electron");

/** @typedef {import("./serve-port.mjs").Reply} Reply */
/** @type {Map<number, (reply: Reply) => void>} */
const waiting = new Map();
/** @type {Promise<MessagePort>} */
const connected = new Promise((resolve) => {
  ipcRenderer.once("tandem-port", ({ ports: [port] }) => {
    if (!port) return;
    port.onmessage = ({ data }) => waiting.get(data.id)?.(data);
    resolve(port);
  });
});
let lastId = 0;

contextBridge.exposeInMainWorld("tandem", {
  generate(/** @type {string} */ prompt, /** @type {(text: string) => void} */ onText) {
    const id = ++lastId;
    const done = new Promise((resolve, reject) => {
      waiting.set(id, ({ text, finishReason, error }) => {
        if (text !== undefined) return onText(text);
        waiting.delete(id);
        if (error) reject(new Error(error.message));
        else resolve(finishReason);
      });
    });
    void connected.then((port) => port.postMessage({ id, prompt }));
    return { id, done };
  },
  stop(/** @type {number} */ id) {
    void connected.then((port) => port.postMessage({ id, stop: true }));
  },
});
