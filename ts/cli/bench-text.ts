import type { BenchResult, Context, Model } from "../index.ts";
import type { Bandwidth } from "../measure/roof.ts";

/** A result, and what it was measured on. */
export interface BenchRow {
  readonly path: string;
  readonly model: Pick<Model, "name" | "config" | "weightBytes" | "parameters" | "device" | "gpuLayers" | "threads">;
  readonly context: Pick<Context, "shape" | "graphInfo">;
  readonly batch: number;
  readonly bandwidth: Bandwidth;
  /** Of weights that a generated token reads, on all backends. */
  readonly activeBytes: number;
  readonly result: BenchResult;
}

/** A column of the table: its width, negative where text is left-aligned, and a row's cell. */
interface Column {
  readonly title: string;
  readonly width: number;
  readonly cell: (row: BenchRow) => string;
}

/** llama-bench's columns, then what it does not tell: median, range, and the fraction of the roof. */
const COLUMNS: readonly Column[] = [
  { title: "model", width: -30, cell: ({ model }) => model.name.replaceAll("|", "/").slice(0, 30) },
  { title: "size", width: 10, cell: ({ model }) => showSize(model.weightBytes) },
  { title: "params", width: 10, cell: ({ model }) => showCount(model.parameters) },
  { title: "backend", width: -11, cell: ({ model }) => (model.gpuLayers > 0 ? "wasm,webgpu" : "wasm") },
  { title: "ngl", width: 3, cell: ({ model }) => String(model.gpuLayers) },
  { title: "threads", width: 7, cell: ({ model }) => String(model.threads) },
  { title: "n_ubatch", width: 8, cell: ({ context }) => String(context.shape.max.T) },
  { title: "test", width: 15, cell: ({ result }) => testName(result) },
  { title: "t/s", width: 20, cell: ({ result }) => `${result.mean.toFixed(2)} ± ${result.deviation.toFixed(2)}` },
  { title: "median", width: 9, cell: ({ result }) => result.median.toFixed(2) },
  { title: "min … max", width: 19, cell: ({ result }) => `${result.least.toFixed(2)} … ${result.most.toFixed(2)}` },
  { title: "of roof", width: 7, cell: ({ result }) => (result.roof ? `${((100 * result.median) / result.roof).toFixed(1)} %` : "") },
];

/** "pp512". */
export const testName = ({ test }: Pick<BenchResult, "test">): string => `${test.kind}${test.tokens}`;

/** The head of the table: two lines. */
export function benchHead(): string {
  const rule = COLUMNS.map(({ width }) => (width < 0 ? "-".repeat(-width) : `${"-".repeat(width - 1)}:`));
  return `| ${COLUMNS.map(({ title, width }) => pad(title, width)).join(" | ")} |\n| ${rule.join(" | ")} |\n`;
}

export const benchLine = (row: BenchRow): string => `| ${COLUMNS.map(({ width, cell }) => pad(cell(row), width)).join(" | ")} |\n`;

const pad = (text: string, width: number) => (width < 0 ? text.padEnd(-width) : text.padStart(width));

/** As llama-bench shows sizes: MiB until there is one GiB. */
function showSize(bytes: number): string {
  return bytes < 2 ** 30 ? `${(bytes / 2 ** 20).toFixed(2)} MiB` : `${(bytes / 2 ** 30).toFixed(2)} GiB`;
}

function showCount(count: number): string {
  return count < 1e9 ? `${(count / 1e6).toFixed(2)} M` : `${(count / 1e9).toFixed(2)} B`;
}

/** A row under llama-bench's names, and with its own: median, range, roof, and what the roof was made from. */
export function benchRecord({ path, model, context, batch, bandwidth, activeBytes, result }: BenchRow) {
  const { test, speeds, mean, deviation, median, least, most, roof = null } = result;
  const { cacheTypeK, cacheTypeV, max } = context.shape;
  return {
    model_filename: path,
    model_type: `${model.config.architecture} ${model.name}`,
    model_size: model.weightBytes,
    model_n_params: model.parameters,
    device: model.device,
    n_batch: batch,
    n_ubatch: max.T,
    n_threads: model.threads,
    type_k: cacheTypeK.toLowerCase(),
    type_v: cacheTypeV.toLowerCase(),
    n_gpu_layers: model.gpuLayers,
    graph_nodes: context.graphInfo.nodes,
    graph_splits: context.graphInfo.splits,
    n_prompt: test.kind === "pp" ? test.tokens : 0,
    n_gen: test.kind === "tg" ? test.tokens : 0,
    avg_ts: mean,
    stddev_ts: deviation,
    median_ts: median,
    min_ts: least,
    max_ts: most,
    roof_ts: roof,
    active_bytes: activeBytes,
    cpu_bytes_per_second: bandwidth.wasm ?? null,
    gpu_bytes_per_second: bandwidth.webgpu ?? null,
    samples_ts: speeds,
  };
}

/** One line a row under a head, text in quotes (RFC 4180, lines end in \n); samples are left out, as in llama-bench. */
export function benchCsv(rows: readonly BenchRow[]): string {
  const records = rows.map(benchRecord).map(({ samples_ts: _, ...record }) => record);
  const head = Object.keys(records[0] ?? {});
  const lines = records.map((record) => Object.values(record).map(csvCell));
  return [head, ...lines].map((cells) => `${cells.join(",")}\n`).join("");
}

function csvCell(value: string | number | null): string {
  return typeof value === "string" ? `"${value.replaceAll('"', '""')}"` : String(value ?? "");
}
