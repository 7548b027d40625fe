/** In place of Electron's `process.parentPort` and its MessagePortMain, over the messages of a forked process. */
import { EventEmitter } from "node:events";

class Port extends EventEmitter {
  #id;
  #started = false;
  #waiting = [];

  constructor(id) {
    super();
    this.#id = id;
  }

  postMessage(data, transfer = []) {
    if (transfer.length > 0) throw new TypeError("Invalid value for transfer");
    process.send({ id: this.#id, data });
  }

  receive(data) {
    if (this.#started) this.emit("message", { data, ports: [] });
    else this.#waiting.push(data);
  }

  start() {
    this.#started = true;
    for (const data of this.#waiting.splice(0)) this.receive(data);
  }

  close() {
    process.send({ id: this.#id, closed: true });
  }
}

const ports = new Map();
process.parentPort = new EventEmitter();
function receive({ id, data, opened, closed }) {
  if (opened) {
    ports.set(id, new Port(id));
    process.parentPort.emit("message", { data: "port", ports: [ports.get(id)] });
  } else if (closed) {
    ports.get(id).emit("close");
    ports.delete(id);
  } else ports.get(id).receive(data);
}
// Messages wait until the engine listens.
process.parentPort.once("newListener", () => setImmediate(() => process.on("message", receive)));
