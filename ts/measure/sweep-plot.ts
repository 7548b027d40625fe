import { escapeXml } from "../text/xml.ts";
import type { SweepRow } from "./sweep.ts";

/** Pixels. */
const WIDTH = 760;
const LEFT = 84;
const RIGHT = 24;
const HEAD = 92;
const PANEL = 230;
const GAP = 56;
const FOOT = 48;
/** Grid lines of an axis, about. */
const TICKS = 5;

/** What is written above a plot. */
export interface SweepTitle {
  /** The model. */
  readonly title: string;
  /** The device and the settings. */
  readonly subtitle: string;
}

/** Both speeds of a sweep over N_KV as SVG, a panel each, from zero. It stands alone, and follows the reader's colours. */
export function drawSweep(rows: readonly SweepRow[], { title, subtitle }: SweepTitle): string {
  const x = axis(rows.at(-1)?.nKv ?? 0);
  const speeds = [
    { name: "prompt processing (S_PP)", tone: "pp", top: HEAD, values: rows.map(({ ppSpeed }) => ppSpeed) },
    { name: "text generation (S_TG)", tone: "tg", top: HEAD + PANEL + GAP, values: rows.map(({ tgSpeed }) => tgSpeed) },
  ];
  const height = HEAD + 2 * PANEL + GAP + FOOT;
  const fillings = rows.map(({ nKv }) => nKv);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    `<title>${escapeXml(title)}: speed over the filling of the KV cache</title>`,
    `<style>${STYLE}</style>`,
    `<rect width="${WIDTH}" height="${height}" class="page"/>`,
    `<text x="${LEFT}" y="34" class="title">${escapeXml(cut(title, 64))}</text>`,
    `<text x="${LEFT}" y="54" class="faint">${escapeXml(cut(subtitle, 104))}</text>`,
    ...speeds.flatMap((panel) => drawPanel(panel, fillings, x)),
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${height - 10}" class="middle">N_KV (tokens in the KV cache)</text>`,
    "</svg>\n",
  ].join("\n");
}

interface Panel {
  readonly name: string;
  readonly tone: string;
  /** Of the plot's area, in pixels. */
  readonly top: number;
  /** Tokens a second, one a row. */
  readonly values: readonly number[];
}

function drawPanel({ name, tone, top, values }: Panel, fillings: readonly number[], x: Axis): string[] {
  const y = axis(Math.max(0, ...values));
  const bottom = top + PANEL;
  const right = WIDTH - RIGHT;
  const atX = (value: number) => round(LEFT + (value / x.end) * (right - LEFT));
  const atY = (value: number) => round(bottom - (value / y.end) * PANEL);
  const points = values.map((value, i) => `${atX(fillings[i]!)},${atY(value)}`);
  return [
    `<text x="${LEFT}" y="${top - 10}" class="name">${name}</text>`,
    `<text transform="translate(22 ${top + PANEL / 2}) rotate(-90)" class="middle">tokens a second</text>`,
    ...y.ticks.map((tick) => `<path d="M${LEFT} ${atY(tick)}H${right}" class="rule"/>${label(LEFT - 8, atY(tick) + 4, "end", tick)}`),
    ...x.ticks.map((tick) => `<path d="M${atX(tick)} ${top}V${bottom}" class="rule"/>${label(atX(tick), bottom + 17, "middle", tick)}`),
    `<polyline points="${points.join(" ")}" class="line ${tone}"/>`,
    ...values.map((value, i) => {
      const tip = `<title>N_KV ${fillings[i]}: ${value.toFixed(2)} t/s</title>`;
      return `<circle cx="${atX(fillings[i]!)}" cy="${atY(value)}" r="3" class="dot ${tone}">${tip}</circle>`;
    }),
  ];
}

interface Axis {
  readonly ticks: readonly number[];
  readonly end: number;
}

/** From zero to the first tick at or above `most`; ticks are 1, 2 or 5 times a power of ten apart. */
function axis(most: number): Axis {
  const rough = (most > 0 ? most : 1) / TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  const count = Math.max(1, Math.ceil(most / step - 1e-9));
  return { ticks: Array.from({ length: count + 1 }, (_, i) => i * step), end: count * step };
}

const label = (x: number, y: number, kind: string, tick: number) =>
  `<text x="${x}" y="${y}" class="${kind}">${Number(tick.toPrecision(6))}</text>`;
const cut = (text: string, most: number) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
const round = (value: number) => Math.round(value * 10) / 10;

/** Plain properties, as not every viewer knows variables in CSS. */
const STYLE = `
text{font:12px system-ui,sans-serif;fill:#1f2430}
.title{font-size:18px;font-weight:600}.name{font-size:14px;font-weight:600}
.faint{fill:#5c6475}.middle{text-anchor:middle}.end{text-anchor:end}
.page{fill:#ffffff}.rule{stroke:#e3e6ee;stroke-width:1}
.line{fill:none;stroke-width:2;stroke-linejoin:round}
.line.pp{stroke:#2f63c0}.line.tg{stroke:#23804f}.dot.pp{fill:#2f63c0}.dot.tg{fill:#23804f}
@media (prefers-color-scheme:dark){
text{fill:#e7eaf2}.faint{fill:#a3acbf}
.page{fill:#15181f}.rule{stroke:#2b303c}
.line.pp{stroke:#7ea6f2}.line.tg{stroke:#62c592}.dot.pp{fill:#7ea6f2}.dot.tg{fill:#62c592}
}
`;
