import { escapeXml } from "../text/xml.ts";
import type { CrossingReport, ScheduleReport, SplitReport } from "./report.ts";

/** Pixels. */
const MARGIN = 24;
const RULER = 70;
const COLUMN = 240;
const CORRIDOR = 320;
const HEAD = 132;
const CROSSING = 19;
/** Two lines of text. */
const LEAST_BODY = 44;
/** What all nodes of a graph take together, so that large graphs stay a page and small ones fill one. */
const BODIES = 640;
const LABEL_GAP = 13;
/** Characters of the small font that a box is wide, and that fit between two columns. */
const NAMES = 38;
const LABEL = 50;

interface Box {
  readonly split: SplitReport;
  readonly crossings: readonly CrossingReport[];
  readonly x: number;
  /** Where values come in, where the nodes begin and end, where values have gone out. */
  readonly top: number;
  readonly begin: number;
  readonly end: number;
  readonly bottom: number;
}

/** A schedule as SVG: layers down, backends across, a box a split, an arrow a crossing. It stands alone, and follows the reader's colours. */
export function drawSchedule(report: ScheduleReport, title: string, show: (bytes: number) => string): string {
  const boxes = layOut(report);
  const columns = report.backends.length;
  const width = 2 * MARGIN + RULER + columns * COLUMN + Math.max(0, columns - 1) * CORRIDOR;
  const height = Math.ceil((boxes.at(-1)?.bottom ?? HEAD) + MARGIN);
  const wide = Math.max(width, 620); // the headings'
  const { prefill, decode, graphNodes, graphSplits } = report;
  const text = (x: number, y: number, kind: string, words: string) => `<text x="${x}" y="${y}" class="${kind}">${escapeXml(words)}</text>`;
  const moved = `${decode.crossings} crossings: ${show(decode.bytes)} a decoded token, ${show(prefill.bytes)} a prefill of ${prefill.tokens}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${wide} ${height}" width="${wide}" height="${height}" role="img">`,
    `<title>${escapeXml(title)}</title>`,
    `<style>${STYLE}</style>`,
    '<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">' +
      '<path d="M0 0 8 4 0 8z" class="tip"/></marker></defs>',
    `<rect width="${wide}" height="${height}" class="page"/>`,
    text(MARGIN, 36, "title", cut(title, Math.floor((wide - 2 * MARGIN) / 10))),
    text(MARGIN, 58, "plain", `graph nodes = ${graphNodes}, graph splits = ${graphSplits}`),
    text(MARGIN, 76, "faint", decode.crossings > 0 ? `${moved} (on arrows: decode / prefill)` : "nothing crosses"),
    ...report.memory.flatMap(({ backend, sum }, column) => [
      text(columnX(column), HEAD - 24, "column", backend),
      text(columnX(column), HEAD - 9, "faint", `${show(sum)} of memory`),
    ]),
    ...ruler(report, boxes, columnX(columns - 1) + COLUMN),
    ...boxes.flatMap((box) => drawBox(box, report)),
    ...boxes.flatMap((box) => box.crossings.map((crossing, i) => drawCrossing(crossing, i, box, report, show))),
    "</svg>\n",
  ].join("\n");
}

const columnX = (column: number) => MARGIN + RULER + column * (COLUMN + CORRIDOR);

/** Time goes down. A split's box begins where values come in and reaches to where its own have left: there it stands beside the next. */
function layOut({ splits, crossings, backends, graphNodes }: ScheduleReport): Box[] {
  const zone = (n: number) => (n === 0 ? 0 : n * CROSSING + 12);
  const incoming = splits.map(({ index }) => crossings.filter(({ beforeSplit }) => beforeSplit === index));
  const boxes: Box[] = [];
  let y = HEAD;
  splits.forEach((split, i) => {
    const begin = y + zone(incoming[i]!.length);
    const end = begin + Math.max(LEAST_BODY, (BODIES * split.nodes) / graphNodes);
    const out = zone(incoming[i + 1]?.length ?? 0);
    const x = columnX(backends.indexOf(split.backend));
    boxes.push({ split, crossings: incoming[i]!, x, top: y, begin, end, bottom: end + out });
    y = end + (out === 0 ? 8 : 0);
  });
  return boxes;
}

function drawBox({ split, x, top, begin, end, bottom }: Box, { backends }: ScheduleReport): string[] {
  const [middle, center] = [(begin + end) / 2, x + COLUMN / 2];
  const layers = split.layers ? ` · ${rangeOf("layer", split.layers[0], split.layers[1])}` : "";
  const names = split.nodes === 1 ? split.first.name : `${split.first.name} … ${split.last.name}`;
  const tone = `device${backends.indexOf(split.backend) % 2}`;
  return [
    `<rect x="${x}" y="${round(top)}" width="${COLUMN}" height="${round(bottom - top)}" rx="6" class="box ${tone}"/>`,
    `<text x="${center}" y="${round(middle - 4)}" class="name">${split.index}: ${rangeOf("node", split.first.id, split.last.id)}${layers}</text>`,
    `<text x="${center}" y="${round(middle + 12)}" class="small">${escapeXml(cut(names, NAMES))}</text>`,
  ];
}

function rangeOf(what: string, first: number, last: number): string {
  return first === last ? `${what} ${first}` : `${what}s ${first}–${last}`;
}

function drawCrossing(crossing: CrossingReport, i: number, { x, top }: Box, { backends }: ScheduleReport, show: (bytes: number) => string) {
  const source = columnX(backends.indexOf(crossing.from));
  const rightwards = source < x;
  const [from, to] = rightwards ? [source + COLUMN, x] : [source, x + COLUMN];
  const y = round(top + 6 + (i + 1) * CROSSING - 3);
  const earlier = crossing.madeInSplit < crossing.beforeSplit - 1 ? ` (of split ${crossing.madeInSplit})` : "";
  const label = `${cut(crossing.tensor, LABEL - 20)}${earlier}: ${show(crossing.decodeBytes)} / ${show(crossing.prefillBytes)}`;
  return (
    `<path d="M${from} ${y}H${to}" class="arrow" marker-end="url(#head)"/>` +
    `<text x="${(from + to) / 2}" y="${y - 4}" class="label">${escapeXml(label)}</text>`
  );
}

/** The layers' beginnings down the left side, as many of them named as there is room for. */
function ruler({ layers }: ScheduleReport, boxes: readonly Box[], right: number): string[] {
  const lines: string[] = [];
  let last = Number.NEGATIVE_INFINITY;
  for (const { layer, firstNode } of layers) {
    const box = boxes.find(({ split }) => split.last.id >= firstNode)!;
    const y = round(box.begin + ((box.end - box.begin) * (firstNode - box.split.first.id)) / box.split.nodes);
    if (y - last < LABEL_GAP) continue;
    last = y;
    lines.push(
      `<path d="M${MARGIN} ${y}H${right}" class="rule"/><text x="${MARGIN}" y="${round(y + LABEL_GAP - 2)}" class="small start">layer ${layer}</text>`,
    );
  }
  return lines;
}

const cut = (text: string, most: number) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
const round = (value: number) => Math.round(value * 10) / 10;

/** Plain properties, as not every viewer knows variables in CSS. */
const STYLE = `
text{font:12px system-ui,sans-serif;fill:#1f2430}
.title{font-size:18px;font-weight:600}.column{font-size:15px;font-weight:600}
.name,.small,.label{text-anchor:middle}.start{text-anchor:start}.small{font-size:11px}
.faint,.small{fill:#5c6475}.label{font-size:11px}
.page{fill:#ffffff}.rule{stroke:#e3e6ee;stroke-width:1}
.box{stroke-width:1.2}.device0{fill:#e8effc;stroke:#4a76c9}.device1{fill:#e5f5ea;stroke:#3b9160}
.arrow{stroke:#5c6475;stroke-width:1.3;fill:none}.tip{fill:#5c6475}
@media (prefers-color-scheme:dark){
text{fill:#e7eaf2}.faint,.small{fill:#a3acbf}
.page{fill:#15181f}.rule{stroke:#2b303c}
.device0{fill:#1d2b47;stroke:#6f9bee}.device1{fill:#17332a;stroke:#58b585}
.arrow{stroke:#a3acbf}.tip{fill:#a3acbf}
}
`;
