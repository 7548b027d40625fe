/** What stands in a message for a thing that cannot be cloned. */
export const MARK = "tandem:wire";

/** A class, be its constructor private or not. */
export interface LiveClass {
  readonly prototype: object;
}

/** How the other side makes a stand-in for a live object. */
interface Description {
  /** Its plain properties, and marks of the live ones. */
  readonly data: Readonly<Record<string, unknown>>;
  readonly methods: readonly string[];
  /** Methods that give async iterators. */
  readonly iterators: readonly string[];
}

export type Mark =
  | { readonly [MARK]: "function" | "yours" | "iterator"; readonly id: number }
  | { readonly [MARK]: "signal"; readonly id: number; readonly aborted: boolean }
  | ({ readonly [MARK]: "live"; readonly id: number } & Description);

export function markOf(value: unknown): Mark | undefined {
  return typeof value === "object" && value !== null && MARK in value ? (value as Mark) : undefined;
}

/** A copy of a plain object or array with `change` applied to its parts; all else, which structured clone carries, as it is. */
export function mapParts(value: unknown, change: (part: unknown) => unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.some((part) => typeof part === "object" || typeof part === "function") ? value.map(change) : value;
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, change(part)]));
}

/** Properties and method names of a live object. Maps are left out: a vocabulary of 250,000 tokens must not cross into a page. */
export function describe(object: object, pack: (member: unknown) => unknown): Description {
  const data: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(object)) if (!(value instanceof Map)) data[key] = pack(value);
  const methods: string[] = [];
  const iterators: string[] = [];
  for (const [key, { value, get }] of Object.entries(membersOf(Object.getPrototypeOf(object)))) {
    if (get) data[key] = pack(get.call(object));
    else if (key === "constructor") continue;
    else if (Object.prototype.toString.call(value) === "[object AsyncGeneratorFunction]") iterators.push(key);
    else methods.push(key);
  }
  return { data, methods, iterators };
}

/** Of a class and those that it extends. */
function membersOf(prototype: object): Record<string, PropertyDescriptor> {
  if (prototype === Object.prototype) return {};
  return { ...membersOf(Object.getPrototypeOf(prototype)), ...Object.getOwnPropertyDescriptors(prototype) };
}
