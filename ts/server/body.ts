import type { z } from "zod";
import { Refusal } from "./refusal.ts";

/** Levels of objects and lists in a body: more than any JSON schema has, and less than what code that walks them bears. */
const MAX_DEPTH = 200;

/** Reads a request's body as the schema says. Throws Refusal, which names the parameter, what was wanted and what came. */
export async function readBody<S extends z.ZodType>(request: Request, schema: S): Promise<z.output<S>> {
  // Pages of other sites may send plain text without asking first, but no JSON.
  if (!/^application\/json\b/i.test(request.headers.get("content-type") ?? "")) {
    throw new Refusal(415, "unsupported_media_type", "content-type must be application/json: add the header to the request");
  }
  return checkBody(parseJson(await request.text()), schema);
}

/** Throws Refusal. */
export function checkBody<S extends z.ZodType>(body: unknown, schema: S): z.output<S> {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new Refusal(400, "invalid_request", "the body must be a JSON object");
  }
  if (isDeeperThan(body, MAX_DEPTH)) throw new Refusal(400, "invalid_request", `the body must be nested at most ${MAX_DEPTH} levels deep`);
  // A parameter that is null is one that is not given.
  const given = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  throw refusalOf(result.error.issues[0]!);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Refusal(400, "invalid_json", `the body must be JSON: ${(error as Error).message}`);
  }
}

/** Level by level: recursion would run out of stack on the bodies that this is for. */
function isDeeperThan(body: object, levels: number): boolean {
  let level: object[] = [body];
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > levels) return true;
    level = level.flatMap((node) => Object.values(node).filter((value) => typeof value === "object" && value !== null));
  }
  return false;
}

function refusalOf(issue: z.core.$ZodIssue): Refusal {
  const param = issue.path.reduce<string>((path, key) => path + (typeof key === "number" ? `[${key}]` : `.${String(key)}`), "").slice(1);
  const message =
    issue.code === "invalid_union" && issue.errors.length > 0 ? "has none of the forms that are possible here" : issue.message;
  return new Refusal(400, "invalid_request", `${param}: ${message}`, param);
}
