/** The utility process: the Node build of Tandem, answering on every port that the main process hands over. */
import { loadModel } from "tandem-llm";
import { servePort } from "./serve-port.mjs";

// Ports may come while the model is still loading; their messages wait until `start`.
const model = loadModel(process.argv[2] ?? "");
process.parentPort.on("message", ({ ports: [port] }) => {
  if (port) servePort(port, model);
});
