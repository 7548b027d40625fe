/** The utility process: the Node build of Tandem, serving its model on every port that the main process hands over. */
import { loadModel, servePort } from "tandem-llm";

// Ports may come while the model is still loading: their pages wait for it.
const model = loadModel(process.argv[2] ?? "");
process.parentPort.on("message", ({ ports: [port] }) => {
  if (port) servePort(port, model);
});
