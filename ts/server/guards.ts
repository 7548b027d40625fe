import { createHash, timingSafeEqual } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import { Refusal } from "./refusal.ts";

/** Requests must bring one of the keys, as `Authorization: Bearer KEY`. Throws Refusal, with status 401. */
export function requireKey(keys: readonly string[]): MiddlewareHandler {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  const known = keys.map(digest);
  return async (context, next) => {
    const given = /^Bearer (.+)$/i.exec(context.req.header("authorization") ?? "")?.[1];
    const message = "Authorization must be Bearer and this server's key";
    if (given === undefined) throw new Refusal(401, "missing_api_key", `${message}, got none`);
    // Digests are of one length, and all are compared: the time tells nothing of the keys.
    const came = digest(given);
    if (known.filter((key) => timingSafeEqual(key, came)).length === 0)
      throw new Refusal(401, "invalid_api_key", `${message}, got another one`);
    await next();
  };
}

/**
 * Requests must name one of these hosts, as `localhost`: a page of another site, whose name was made to point to this machine, does not.
 * Throws Refusal, with status 403.
 */
export function requireHost(hosts: readonly string[]): MiddlewareHandler {
  return async (context, next) => {
    const host = new URL(context.req.url).hostname;
    if (!hosts.includes(host)) throw new Refusal(403, "unknown_host", `Host must be ${hosts.join(" or ")}, got ${host}`);
    await next();
  };
}
