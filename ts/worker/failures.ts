import {
  BackendError,
  CapabilityError,
  ContextOverflowError,
  DeviceLostError,
  DisposedError,
  type ErrorCode,
  GgufError,
  IntegrityError,
  InvalidArgumentError,
  NetworkError,
  OutOfMemoryError,
  QueueFullError,
  QuotaError,
  SessionError,
  ShapeError,
  SplitBudgetError,
  TandemError,
  UnsupportedFormatError,
  UnsupportedModelError,
  UnsupportedSchemaError,
} from "../errors.ts";

/** Stands, behind the wall, for the reason of a signal that was aborted on this side of it. */
export class RemoteAbort extends Error {
  readonly signal: number;
  constructor(signal: number) {
    super("aborted on the other side");
    this.name = "AbortError";
    this.signal = signal;
  }
}

/** An error as it crosses: structured clone would make every TandemError a plain Error. */
export type Failure =
  | { readonly kind: "abort"; readonly signal: number }
  | { readonly kind: "tandem"; readonly message: string; readonly stack?: string; readonly fields: object; readonly cause?: Failure }
  | { readonly kind: "other"; readonly error: unknown };

const CLASSES: Readonly<Record<ErrorCode, { readonly prototype: TandemError }>> = {
  invalid_argument: InvalidArgumentError,
  gguf: GgufError,
  unsupported_model: UnsupportedModelError,
  unsupported_format: UnsupportedFormatError,
  shape: ShapeError,
  context_overflow: ContextOverflowError,
  out_of_memory: OutOfMemoryError,
  capability: CapabilityError,
  backend: BackendError,
  device_lost: DeviceLostError,
  split_budget: SplitBudgetError,
  unsupported_schema: UnsupportedSchemaError,
  session: SessionError,
  queue_full: QueueFullError,
  network: NetworkError,
  integrity: IntegrityError,
  quota: QuotaError,
  disposed: DisposedError,
};

export function packFailure(error: unknown): Failure {
  if (error instanceof RemoteAbort) return { kind: "abort", signal: error.signal };
  if (error instanceof TandemError) {
    const cause = error.cause === undefined ? undefined : packFailure(error.cause);
    return { kind: "tandem", message: error.message, stack: error.stack, fields: { ...error }, cause };
  }
  return { kind: "other", error };
}

/** The error again, of its own class. `reasonOf` gives the reason of a signal of this side. */
export function unpackFailure(failure: Failure, reasonOf: (signal: number) => unknown): unknown {
  if (failure.kind === "abort") return reasonOf(failure.signal);
  if (failure.kind === "other") return failure.error;
  const { message, stack, fields, cause } = failure;
  const error = new Error(message, cause && { cause: unpackFailure(cause, reasonOf) });
  const { code } = fields as { code: ErrorCode };
  Object.setPrototypeOf(error, CLASSES[code].prototype);
  return Object.assign(error, fields, { stack });
}
