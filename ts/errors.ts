/**
 * Every error that Tandem throws on purpose. `code` is stable and documented; `message` says what was wanted, what came,
 * and what to do. Aborted requests reject with the AbortSignal's own reason, as the web platform does.
 */
export type ErrorCode =
  | "invalid_argument"
  | "gguf"
  | "unsupported_model"
  | "unsupported_format"
  | "shape"
  | "context_overflow"
  | "out_of_memory"
  | "capability"
  | "backend"
  | "device_lost"
  | "split_budget"
  | "unsupported_schema"
  | "session"
  | "queue_full"
  | "network"
  | "integrity"
  | "quota"
  | "disposed";

/** What all errors of this library are: test `instanceof TandemError`, then `code`. */
export class TandemError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    // Not new.target.name: minifiers rename classes.
    this.name = `${code.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase())}Error`;
  }
}

/** A caller's option or argument is out of range or of the wrong kind. */
export class InvalidArgumentError extends TandemError {
  constructor(message: string, options?: ErrorOptions) {
    super("invalid_argument", message, options);
  }
}

/** The bytes are no GGUF, or a damaged one: names the file, the place and what to do. */
export class GgufError extends TandemError {
  constructor(message: string, options?: ErrorOptions) {
    super("gguf", message, options);
  }
}

/** A sound GGUF whose architecture, keys or tensors this library does not run. */
export class UnsupportedModelError extends TandemError {
  constructor(message: string, options?: ErrorOptions) {
    super("unsupported_model", message, options);
  }
}

/** A tensor's weight format (GGML type) has no kernels here. */
export class UnsupportedFormatError extends TandemError {
  constructor(message: string, options?: ErrorOptions) {
    super("unsupported_format", message, options);
  }
}

/** A graph was built with shapes that do not fit each other. */
export class ShapeError extends TandemError {
  constructor(message: string, options?: ErrorOptions) {
    super("shape", message, options);
  }
}

/** More tokens than the context, batch or a sequence can hold. Nothing was decoded. */
export class ContextOverflowError extends TandemError {
  constructor(message: string, options?: ErrorOptions) {
    super("context_overflow", message, options);
  }
}

/** Memory could not be had: the message gives the bytes wanted and the bytes possible. */
export class OutOfMemoryError extends TandemError {
  constructor(message: string, options?: ErrorOptions) {
    super("out_of_memory", message, options);
  }
}

/** The platform lacks something (SIMD, SharedArrayBuffer, an adapter): the message says how to get it. */
export class CapabilityError extends TandemError {
  constructor(message: string, options?: ErrorOptions) {
    super("capability", message, options);
  }
}

/** A backend failed while preparing or running a plan. */
export class BackendError extends TandemError {
  constructor(message: string, options?: ErrorOptions) {
    super("backend", message, options);
  }
}

/** The GPU went away (driver reset, unplugged, destroyed): what lay on it is gone. Load the model again, on the CPU if it happens twice. */
export class DeviceLostError extends TandemError {
  constructor(message: string, options?: ErrorOptions) {
    super("device_lost", message, options);
  }
}

/** The object was used after dispose(). */
export class DisposedError extends TandemError {
  constructor(message: string, options?: ErrorOptions) {
    super("disposed", message, options);
  }
}

/** Saved state that is damaged, of another version, or of another model. */
export class SessionError extends TandemError {
  constructor(message: string, options?: ErrorOptions) {
    super("session", message, options);
  }
}

/** As many requests wait as may wait. Nothing was queued: try again later. */
export class QueueFullError extends TandemError {
  constructor(message: string, options?: ErrorOptions) {
    super("queue_full", message, options);
  }
}

/** No placement of the graph fits the budget of splits. `needed` is the least that would do. */
export class SplitBudgetError extends TandemError {
  readonly needed: number;
  constructor(needed: number, maxSplits: number) {
    const what = Number.isFinite(needed)
      ? `this placement needs at least ${needed} splits, maxSplits is ${maxSplits}: raise maxSplits to ${needed}`
      : "some node can run on no backend";
    super("split_budget", `${what}, or keep more of the model on one backend (gpuLayers, cpuExperts, tensorOverrides)`);
    this.needed = needed;
  }
}

/** A file or an answer could not be had from the network. `status` is the server's answer, undefined where none came (offline, CORS, a cut connection). */
export class NetworkError extends TandemError {
  readonly status: number | undefined;
  constructor(message: string, status?: number, options?: ErrorOptions) {
    super("network", message, options);
    this.status = status;
  }
}

/** Bytes are not those that were promised: another sha256, a file that changed in mid-download, a damaged cache. */
export class IntegrityError extends TandemError {
  constructor(message: string, options?: ErrorOptions) {
    super("integrity", message, options);
  }
}

/** The model cache has no room. Both numbers are bytes; `availableBytes` is undefined where the platform does not tell. */
export class QuotaError extends TandemError {
  readonly neededBytes: number;
  readonly availableBytes: number | undefined;
  constructor(message: string, neededBytes: number, availableBytes: number | undefined, options?: ErrorOptions) {
    super("quota", message, options);
    this.neededBytes = neededBytes;
    this.availableBytes = availableBytes;
  }
}

/** A JSON schema to which answers cannot be held here. `path` is the JSON pointer of the place. */
export class UnsupportedSchemaError extends TandemError {
  readonly path: string;
  constructor(path: string, what: string, todo: string) {
    super("unsupported_schema", `the JSON schema at ${path || "/"}: ${what}: ${todo}`);
    this.path = path || "/";
  }
}
