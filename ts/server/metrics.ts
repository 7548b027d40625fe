import { memoryUsage } from "node:process";
import type { QueueStats } from "../serving/queue.ts";

/** A sample's labels, as `{route="/v1/models",status="200"}`, and its value. */
type Samples = ReadonlyMap<string, number>;

/** Requests by route and status, counted since the start. */
export class RequestCounts {
  readonly samples = new Map<string, number>();

  /** @param route One of a fixed set: every other value is a time series that stays. */
  add(route: string, status: number): void {
    const labels = `{route="${route}",status="${status}"}`;
    this.samples.set(labels, (this.samples.get(labels) ?? 0) + 1);
  }
}

/** Everything in the text format of Prometheus, version 0.0.4. @param inFlight Requests that are being answered. */
export function metricsText(requests: Samples, inFlight: number, queue: QueueStats): string {
  const one = (value: number): Samples => new Map([["", value]]);
  const outcomes = (["finished", "cancelled", "failed"] as const).map((name) => [`{outcome="${name}"}`, queue[name]] as const);
  return [
    family("tandem_http_requests_total", "counter", "Answered requests by route and status.", requests),
    family("tandem_http_requests_in_flight", "gauge", "Requests that are being answered.", one(inFlight)),
    family("tandem_generations_total", "counter", "Generations by how they ended.", new Map(outcomes)),
    family("tandem_prompt_tokens_total", "counter", "Tokens of prompts that got a sequence.", one(queue.promptTokens)),
    family("tandem_cached_tokens_total", "counter", "Of these, tokens that were not read again.", one(queue.cachedTokens)),
    family("tandem_generated_tokens_total", "counter", "Tokens generated.", one(queue.generatedTokens)),
    family("tandem_sequences", "gauge", "Generations that can run at once.", one(queue.parallel)),
    family("tandem_sequences_active", "gauge", "Generations that run.", one(queue.active)),
    family("tandem_generations_waiting", "gauge", "Generations that wait for a sequence.", one(queue.waiting)),
    family("tandem_prefix_cache_bytes", "gauge", "Bytes of checkpoints and KV cells kept of prompts.", one(queue.cacheBytes)),
    family("tandem_prefix_cache_checkpoints", "gauge", "Checkpoints kept.", one(queue.checkpoints)),
    family("process_resident_memory_bytes", "gauge", "Resident memory of the process.", one(memoryUsage().rss)),
  ].join("");
}

function family(name: string, type: "counter" | "gauge", help: string, samples: Samples): string {
  const lines = Array.from(samples, ([labels, value]) => `${name}${labels} ${value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}
