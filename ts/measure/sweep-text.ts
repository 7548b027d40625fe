import type { SweepRow } from "./sweep.ts";

/** The head of llama-sweep-bench's table: two lines. */
export const SWEEP_HEAD =
  "|    PP |     TG |   N_KV |   T_PP s | S_PP t/s |   T_TG s | S_TG t/s |\n" +
  "|-------|--------|--------|----------|----------|----------|----------|\n";

/** A line of llama-sweep-bench's table. */
export function sweepLine({ pp, tg, nKv, ppSeconds, ppSpeed, tgSeconds, tgSpeed }: SweepRow): string {
  const counts = `|${whole(pp)} | ${whole(tg)} | ${whole(nKv)}`;
  return `${counts} | ${decimal(ppSeconds, 3)} | ${decimal(ppSpeed, 2)} | ${decimal(tgSeconds, 3)} | ${decimal(tgSpeed, 2)} |\n`;
}

const whole = (value: number) => String(value).padStart(6);
const decimal = (value: number, digits: number) => value.toFixed(digits).padStart(8);

/** The table as CSV (RFC 4180, lines end in \n): the same columns, in full precision. */
export function sweepCsv(rows: readonly SweepRow[]): string {
  const lines = rows.map(({ pp, tg, nKv, ppSeconds, ppSpeed, tgSeconds, tgSpeed }) => [
    pp,
    tg,
    nKv,
    ppSeconds,
    ppSpeed,
    tgSeconds,
    tgSpeed,
  ]);
  return ["PP,TG,N_KV,T_PP s,S_PP t/s,T_TG s,S_TG t/s", ...lines].map((line) => `${line}\n`).join("");
}

/** A row under the names that llama-sweep-bench's JSON lines have. */
export function sweepRecord({ pp, tg, nKv, ppSeconds, ppSpeed, tgSeconds, tgSpeed }: SweepRow): Readonly<Record<string, number>> {
  return { pp, tg, n_kv: nKv, t_pp: ppSeconds, speed_pp: ppSpeed, t_tg: tgSeconds, speed_tg: tgSpeed };
}
