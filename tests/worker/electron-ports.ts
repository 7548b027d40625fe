import { EventEmitter } from "node:events";
import { deserialize, serialize } from "node:v8";

/** As Electron's MessagePortMain: messages in events, between processes and so always copied, kept until `start`; it transfers ports only. */
export class ElectronPort extends EventEmitter {
  other: ElectronPort | undefined;
  #started = false;
  #waiting: unknown[] = [];

  postMessage(message: unknown, transfer: readonly unknown[] = []): void {
    if (transfer.length > 0) throw new TypeError("Invalid value for transfer");
    const bytes = serialize(message);
    setImmediate(() => this.other?.receive(deserialize(bytes)));
  }

  receive(data: unknown): void {
    if (this.#started) this.emit("message", { data, ports: [] });
    else this.#waiting.push(data);
  }

  start(): void {
    this.#started = true;
    for (const data of this.#waiting.splice(0)) this.receive(data);
  }

  close(): void {
    const { other } = this;
    this.other = undefined;
    if (!other) return;
    other.other = undefined;
    setImmediate(() => other.emit("close"));
  }
}

export function electronChannel(): { port1: ElectronPort; port2: ElectronPort } {
  const [port1, port2] = [new ElectronPort(), new ElectronPort()];
  [port1.other, port2.other] = [port2, port1];
  return { port1, port2 };
}
