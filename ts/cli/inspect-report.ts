import type { GgufField, GgufFile, GgufValue } from "../index.ts";
import type { Config } from "../models/config.ts";
import type { MemoryNeed, Runnable } from "./inspect.ts";
import { printable, showBytes } from "./terminal.ts";

/** Elements of an array, and characters of a string, that are shown. */
const SHOWN_ELEMENTS = 8;
const SHOWN_CHARACTERS = 72;

interface FormatSum {
  readonly format: string;
  readonly tensors: number;
  readonly bytes: number;
}

/** The report for a person: what may come from the file is escaped. */
export function printReport(file: GgufFile, runnable: Runnable): string {
  const { fields } = file.metadata;
  const tensors = [...file.tensors.values()];
  const sections = [
    [printable(file.name), `  ${fileLine(file)}`],
    [
      `Metadata: ${fields.size} keys`,
      ...table([...fields].map(([key, field]) => [printable(key, SHOWN_CHARACTERS), field.type, showField(field)])),
    ],
    [
      `Tensors: ${tensors.length}`,
      ...table(
        tensors.map(({ name, typeName, shape, bytes }) => [
          printable(name, SHOWN_CHARACTERS),
          typeName,
          `[${shape.join(", ")}]`,
          showBytes(bytes),
        ]),
      ),
    ],
    [
      "Formats",
      ...table(
        formatSums(file).map(({ format, tensors, bytes }) => [
          format,
          `${tensors} tensors`,
          showBytes(bytes),
          share(bytes, file.dataBytes),
        ]),
      ),
    ],
    ...(runnable.runs
      ? [architecture(runnable.config, runnable.nodes), memory(runnable.memory)]
      : [[`This file cannot be run: ${printable(runnable.reason)}`]]),
  ];
  return `${sections.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

/** The same for programs; arrays are cut, strings are whole. */
export function jsonReport(file: GgufFile, runnable: Runnable): object {
  return {
    file: {
      name: file.name,
      version: file.version,
      sizeBytes: sizeBytes(file),
      headerBytes: file.headerBytes,
      dataBytes: file.dataBytes,
      alignment: file.alignment,
      shards: file.sources.length,
    },
    metadata: Object.fromEntries([...file.metadata.fields].map(([key, { type, value }]) => [key, { type, ...jsonValue(value) }])),
    tensors: [...file.tensors.values()].map(({ name, typeName, shape, bytes }) => ({ name, format: typeName, shape, bytes })),
    formats: formatSums(file),
    runs: runnable.runs,
    ...(runnable.runs
      ? { architecture: runnable.config, graphNodes: runnable.nodes, memory: runnable.memory }
      : { reason: runnable.reason, damaged: runnable.damaged }),
  };
}

function sizeBytes(file: GgufFile): number {
  return file.sources.reduce((sum, source) => sum + source.size, 0);
}

function fileLine(file: GgufFile): string {
  const shards = file.sources.length > 1 ? ` in ${file.sources.length} files` : "";
  const parts = `header ${showBytes(file.headerBytes)}, tensors ${showBytes(file.dataBytes)}`;
  return `GGUF version ${file.version}, ${showBytes(sizeBytes(file))}${shards}: ${parts}`;
}

function formatSums(file: GgufFile): FormatSum[] {
  const sums = new Map<string, FormatSum>();
  for (const { typeName: format, bytes } of file.tensors.values()) {
    const sum = sums.get(format);
    sums.set(format, { format, tensors: (sum?.tensors ?? 0) + 1, bytes: (sum?.bytes ?? 0) + bytes });
  }
  return [...sums.values()].sort((a, b) => b.bytes - a.bytes);
}

function share(bytes: number, all: number): string {
  return all > 0 ? `${((100 * bytes) / all).toFixed(1)} %` : "";
}

function showField({ value }: GgufField): string {
  if (typeof value !== "object") return showScalar(value);
  const shown: string[] = [];
  for (let i = 0; i < Math.min(value.length, SHOWN_ELEMENTS); i++) {
    const element = value[i]!;
    shown.push(typeof element === "object" ? `[${element.length} elements]` : showScalar(element, 16));
  }
  return `${value.length}: ${shown.join(", ")}${value.length > SHOWN_ELEMENTS ? ", …" : ""}`;
}

function showScalar(value: string | number | bigint | boolean, most = SHOWN_CHARACTERS): string {
  if (typeof value === "string") return `"${printable(value, most).replaceAll('"', '\\"')}"`;
  // f32 values: 9.999999974752427e-7 is how a double spells 1e-6.
  return typeof value === "number" && !Number.isInteger(value) ? String(Number(value.toPrecision(7))) : String(value);
}

function jsonValue(value: GgufValue): object {
  if (typeof value === "bigint") return { value: String(value) };
  if (typeof value !== "object") return { value };
  const first = Array.from({ length: Math.min(value.length, SHOWN_ELEMENTS) }, (_, i) => {
    const element = value[i]!;
    return typeof element === "bigint" ? String(element) : typeof element === "object" ? { length: element.length } : element;
  });
  return { length: value.length, first };
}

function architecture(config: Config, nodes: number): string[] {
  const { L, mtpLayers, recurrent, E, V, H, G, D, F, X, U, expertF, sharedF, Hk, Hv, Dk, Dv, K, rope, trainedContext } = config;
  const deltaLayers = recurrent.filter(Boolean).length;
  const mtp = mtpLayers > 0 ? ` (and ${mtpLayers} for multi-token prediction, not run)` : "";
  const experts = X > 0 ? `${X} experts of ${expertF}, ${U} used, shared expert of ${sharedF}` : `dense, ${F}`;
  return [
    `Architecture: ${config.architecture}`,
    ...table([
      ["layers", `${L}: ${deltaLayers} gated delta net, ${L - deltaLayers} gated attention${mtp}`],
      ["embedding", `${E}`],
      ["vocabulary", `${V}`],
      ["attention", `query heads ${H}, kv heads ${G}, of ${D} each; rope on ${rope.dimensions}, base ${rope.freqBase}`],
      ["delta net", `key heads ${Hk} of ${Dk}, value heads ${Hv} of ${Dv}, conv taps ${K}`],
      ["feed forward", experts],
      ["trained context", `${trainedContext} tokens`],
      ["graph", `${nodes} nodes`],
    ]),
  ];
}

function memory({ contextLength, ubatch, cacheTypeK, cacheTypeV, banks, ...bytes }: MemoryNeed): string[] {
  const sizes = table([
    ["weights", showBytes(bytes.weights)],
    ["KV cache", showBytes(bytes.kvCache)],
    ["recurrent state (R and S)", showBytes(bytes.recurrentState)],
    ["compute", showBytes(bytes.compute)],
    ["sum", showBytes(bytes.sum)],
  ]);
  return [
    `Memory for a context of ${contextLength} tokens (-ub ${ubatch}, -ctk ${cacheTypeK.toLowerCase()}, -ctv ${cacheTypeV.toLowerCase()})`,
    ...sizes,
    typeof banks === "string"
      ? `  Not on the CPU alone: ${banks}`
      : `  WebAssembly memories on the CPU: ${banks.length}${banks.length > 1 ? `, with ${banks.map(showBytes).join(", ")}` : ""}`,
  ];
}

/** Rows in columns, two blanks apart and indented by two; columns that hold sizes are right-aligned. */
function table(rows: readonly (readonly string[])[]): string[] {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, c) => Math.max(...rows.map((row) => row[c]?.length ?? 0)));
  const isSize = widths.map((_, c) => rows.every((row) => /^[\d.]+ ([KMGT]?i?B|tensors|%)$/.test(row[c] ?? "")));
  return rows.map((row) =>
    `  ${row.map((cell, c) => (isSize[c] ? cell.padStart(widths[c]!) : cell.padEnd(widths[c]!))).join("  ")}`.trimEnd(),
  );
}
