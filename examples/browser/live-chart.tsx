import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import type { SpeedLog } from "./speed-log.ts";

const HEIGHT = 190;
const REDRAW_MS = 250;

/** A colour of the page's style sheet. */
const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Speeds and tokens against time, drawn as they come. */
export function LiveChart({ log, active }: { readonly log: SpeedLog; readonly active: boolean }) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);

  useEffect(() => {
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const create = () => {
      plot.current?.destroy();
      plot.current = new uPlot(optionsFor(host.current!.clientWidth), dataOf(log), host.current!);
    };
    create();
    const observer = new ResizeObserver(() => plot.current?.setSize({ width: host.current!.clientWidth, height: HEIGHT }));
    observer.observe(host.current!);
    dark.addEventListener("change", create);
    return () => {
      observer.disconnect();
      dark.removeEventListener("change", create);
      plot.current?.destroy();
    };
  }, [log]);

  useEffect(() => {
    const draw = () => plot.current?.setData(dataOf(log));
    draw();
    if (!active) return;
    const timer = setInterval(draw, REDRAW_MS);
    return () => clearInterval(timer);
  }, [log, active]);

  return (
    <section class="panel" aria-labelledby="speed-title">
      <h2 id="speed-title">Speed</h2>
      <div
        class="chart"
        ref={host}
        role="img"
        aria-label="Chart of prompt processing and text generation speed, and of tokens, against time"
      />
    </section>
  );
}

function dataOf({ points }: SpeedLog): uPlot.AlignedData {
  return [points.map(({ seconds }) => seconds), points.map(({ pp }) => pp), points.map(({ tg }) => tg), points.map(({ tokens }) => tokens)];
}

function optionsFor(width: number): uPlot.Options {
  const [ink, rule, pp, tg, tokens] = ["--faint", "--line", "--pp", "--tg", "--tokens"].map(colour);
  const font = "11px system-ui, sans-serif";
  const axis = (scale: string, label: string, side: number, grid: boolean): uPlot.Axis => {
    return {
      scale,
      label,
      side,
      stroke: ink,
      font,
      labelFont: font,
      labelSize: 16,
      size: 44,
      grid: { show: grid, stroke: rule },
      ticks: { stroke: rule },
    };
  };
  const series = (scale: string, label: string, stroke: string | undefined): uPlot.Series => {
    return { scale, label, stroke, width: 2, spanGaps: false, value: (_, value) => (value === null ? "–" : value.toFixed(1)) };
  };
  const fromZero: uPlot.Scale = { range: (_, __, most) => [0, Math.max(1, most * 1.1)] };
  return {
    ...{ width, height: HEIGHT },
    scales: { x: { time: false }, pp: fromZero, tg: fromZero, tokens: { ...fromZero } },
    axes: [
      { ...axis("x", "seconds", 2, false), size: 30 },
      axis("pp", "PP, t/s", 3, true),
      axis("tg", "TG, t/s", 1, false),
      { scale: "tokens", show: false },
    ],
    series: [
      { label: "seconds" },
      series("pp", "PP t/s", pp),
      series("tg", "TG t/s", tg),
      { ...series("tokens", "tokens", tokens), dash: [4, 3], width: 1.5 },
    ],
  };
}
