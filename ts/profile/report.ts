import type { Profile } from "./profiler.ts";
import type { PhaseProfile, ProfileRow } from "./summary.ts";

/** Rows that a table shows: what is below takes no time worth reading about. */
const SHOWN_ROWS = 24;

/** A profile as tables for a terminal: for each phase its parts, the kinds of layers, and the kernels. Times in milliseconds. */
export function printProfile({ phases, notes }: Profile): string {
  const tables = phases.flatMap((phase) => [heading(phase), parts(phase), kindTable(phase), kernelTable(phase)]);
  return [...tables, ...notes.map((note) => `note: ${note}`)].join("\n\n");
}

function heading({ phase, runs, tokens, wall }: PhaseProfile): string {
  return `${phase}: ${tokens} token(s) in ${runs} run(s), ${wall.toFixed(2)} ms, ${((1000 * tokens) / wall).toFixed(1)} t/s`;
}

const PARTS = [
  ["ops", "CPU ops (mean of the threads)"],
  ["barriers", "CPU barriers"],
  ["idle", "CPU threads not awake yet"],
  ["js", "JavaScript"],
  ["crossing", "crossing between devices"],
  ["read", "reading logits"],
  ["between", "between runs"],
  ["gpu", "GPU dispatches (beside the rest)"],
  ["gpuGaps", "GPU gaps between dispatches"],
] as const;

function parts(phase: PhaseProfile): string {
  const rows = PARTS.filter(([part]) => phase[part] !== 0).map(([part, name]) => [name, ms(phase[part]), share(phase[part], phase)]);
  return table([["where", "ms", "share"], ...rows]);
}

function kindTable(phase: PhaseProfile): string {
  const rows = grouped(phase.rows, (row) => `${row.layerKind}, ${row.backend}`).map(([name, row]) => [
    ...[name, String(row.calls), ms(row.time), share(row.time, phase), ms(row.wait)],
  ]);
  return table([["layer kind", "calls", "ms", "share", "+ wait"], ...rows]);
}

/** GPU kernels carry the format in their names. */
function kernelName({ kernel, format }: ProfileRow): string {
  return format && !kernel.includes(format) ? `${kernel} ${format}` : kernel;
}

function kernelTable(phase: PhaseProfile): string {
  const all = grouped(phase.rows, (row) => `${kernelName(row)}, ${row.layerKind}`);
  const rows = all
    .slice(0, SHOWN_ROWS)
    .map(([name, row]) => [
      ...[name, String(row.calls), ms(row.time), share(row.time, phase), ms(row.wait)],
      ...(row.format ? [rate(row.bytes, row), rate(row.flops, row)] : ["", ""]),
    ]);
  const rest = all.length > SHOWN_ROWS ? `\n(${all.length - SHOWN_ROWS} more)` : "";
  return table([["kernel", "calls", "ms", "share", "+ wait", "GB/s", "GFLOP/s"], ...rows]) + rest;
}

/** Rows of the same name added up, those with the most time first. */
export function grouped(rows: readonly ProfileRow[], nameOf: (row: ProfileRow) => string): (readonly [string, ProfileRow])[] {
  const groups = new Map<string, ProfileRow>();
  for (const row of rows) {
    const name = nameOf(row);
    const sum = groups.get(name);
    const plus = (key: "calls" | "time" | "wait" | "flops" | "bytes") => (sum?.[key] ?? 0) + row[key];
    groups.set(name, { ...row, calls: plus("calls"), time: plus("time"), wait: plus("wait"), flops: plus("flops"), bytes: plus("bytes") });
  }
  return [...groups].sort(([, a], [, b]) => b.time + b.wait - a.time - a.wait);
}

const ms = (value: number) => value.toFixed(2);
const share = (value: number, { wall }: PhaseProfile) => `${((100 * value) / wall).toFixed(1)} %`;
/** Billions a second, over the time with the wait: until the last thread was through. */
const rate = (amount: number, { time, wait }: ProfileRow) => (amount / (time + wait) / 1e6).toFixed(1);

/** Columns in line: the first to the left, numbers to the right. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  ");
  return rows.map((row) => line(row).trimEnd()).join("\n");
}
