/** Hands the engine's port to the page. Ports cannot go over the context bridge; a message to the page's own window carries them. */
const { ipcRenderer } = require("electron");

ipcRenderer.on("tandem-port", ({ ports }) => window.postMessage("tandem-port", "*", ports));
