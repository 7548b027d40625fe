import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A file as the server has it now; tests change it in mid-flight. */
export interface Served {
  bytes: Uint8Array;
  etag?: string;
  modified?: string;
  /** Default: true. */
  ranges?: boolean;
  /** Default: true. */
  length?: boolean;
  /** More headers of its answers. */
  headers?: Record<string, string>;
}

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
  readonly ifRange: string | undefined;
}

/** A file server on 127.0.0.1 that can be told to misbehave, and remembers what it was asked. */
export class FileServer {
  readonly files = new Map<string, Served>();
  readonly seen: Seen[] = [];
  /** Bytes of bodies that were sent. */
  sentBytes = 0;
  /** The same, by path. */
  readonly sentOf = new Map<string, number>();
  /** All connections together get no more; default: as much as they take. */
  bytesPerSecond = Number.POSITIVE_INFINITY;
  /** Connections are destroyed when so many bytes of bodies have been sent, this one time. */
  cutAt = Number.POSITIVE_INFINITY;
  /** From `cutAt` on nobody is answered at all. */
  staysDown = false;
  /** Answers the next requests in place of the file. */
  readonly replies: { status: number; headers?: Record<string, string> }[] = [];
  /** Called before connections are cut: sent bytes are lost when they have not been read by then. */
  beforeCut: () => Promise<void> = async () => {};
  /** Called before each answer. */
  onRequest: (seen: Seen) => Promise<void> | void = () => {};
  /** Paths that lead elsewhere. */
  readonly redirects = new Map<string, string>();
  #down = false;
  /** When the line is free again, in ms. */
  #lineFree = 0;
  /** Counts resets: what is still being sent from before one is not counted. */
  #round = 0;
  readonly #server: Server;

  static async start(): Promise<FileServer> {
    const server = new FileServer();
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  url(path: string): string {
    return `${this.origin}${path}`;
  }

  /** Forgets everything but the port. */
  reset(): void {
    this.files.clear();
    this.redirects.clear();
    this.seen.length = 0;
    this.replies.length = 0;
    this.sentBytes = 0;
    this.sentOf.clear();
    this.bytesPerSecond = Number.POSITIVE_INFINITY;
    this.cutAt = Number.POSITIVE_INFINITY;
    this.staysDown = false;
    this.#down = false;
    this.#round++;
    this.onRequest = () => {};
    this.beforeCut = async () => {};
  }

  /** Ends `staysDown`. */
  comeBack(): void {
    this.#down = false;
    this.cutAt = Number.POSITIVE_INFINITY;
  }

  /** Requests for a file's bytes, without the first one for its size. */
  get ranges(): (string | undefined)[] {
    return this.seen.map(({ range }) => range).filter((range) => range !== "bytes=0-0");
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#down) return void response.destroy();
    const { method = "", url: path = "", headers } = request;
    const seen = { method, path, range: headers.range, authorization: headers.authorization, ifRange: headers["if-range"]?.toString() };
    this.seen.push(seen);
    await this.onRequest(seen);
    const reply = this.replies.shift();
    if (reply) return void response.writeHead(reply.status, reply.headers).end("no");
    const elsewhere = this.redirects.get(path);
    if (elsewhere) return void response.writeHead(302, { location: elsewhere }).end();
    const file = this.files.get(path.replace(/\?.*/, ""));
    if (!file) return void response.writeHead(404).end("not here");
    if (method === "HEAD") return void response.writeHead(200, { ...file.headers, "content-length": file.bytes.length }).end();
    await this.#send(file, path, headers.range, response);
  }

  async #send(
    { bytes, etag, modified, ranges = true, length = true, headers }: Served,
    path: string,
    range: string | undefined,
    response: ServerResponse,
  ) {
    const version = { ...headers, ...(etag && { etag }), ...(modified && { "last-modified": modified }) };
    const match = ranges ? /^bytes=(\d+)-(\d+)$/.exec(range ?? "") : null;
    const start = match ? Number(match[1]) : 0;
    if (match && start >= bytes.length) {
      return void response.writeHead(416, { "content-range": `bytes */${bytes.length}` }).end();
    }
    const part = match ? bytes.subarray(start, Number(match[2]) + 1) : bytes;
    const contentRange = { "content-range": `bytes ${start}-${start + part.length - 1}/${bytes.length}` };
    const contentLength = length ? { "content-length": String(part.length) } : {};
    response.writeHead(match ? 206 : 200, { ...version, ...(match && contentRange), ...contentLength });
    const round = this.#round;
    for (let at = 0; at < part.length; at += CHUNK_BYTES) {
      const chunk = part.subarray(at, Math.min(at + CHUNK_BYTES, part.length));
      if (this.sentBytes + chunk.length > this.cutAt) {
        if (!this.staysDown) this.cutAt = Number.POSITIVE_INFINITY;
        await this.beforeCut();
        this.#down = this.staysDown;
        return void response.destroy();
      }
      if (response.destroyed || round !== this.#round) return void response.destroy();
      this.sentBytes += chunk.length;
      this.sentOf.set(path, (this.sentOf.get(path) ?? 0) + chunk.length);
      await this.#turn(chunk.length);
      await new Promise((resolve) => response.write(chunk, resolve));
    }
    response.end();
  }

  /** Waits until the line has carried these bytes, and those before them. */
  async #turn(bytes: number): Promise<void> {
    if (this.bytesPerSecond === Number.POSITIVE_INFINITY) return;
    this.#lineFree = Math.max(performance.now(), this.#lineFree) + (1000 * bytes) / this.bytesPerSecond;
    await new Promise((resolve) => setTimeout(resolve, this.#lineFree - performance.now()));
  }
}

const CHUNK_BYTES = 16 * 1024;

/** Bytes that differ from one another wherever a piece could be swapped. */
export function testBytes(length: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + 1, 2654435761);
  return new Uint8Array(words.buffer, 0, length);
}
