import type { MemoryReport } from "tandem-llm";
import { ScrollBox } from "./scroll-box.tsx";
import { showBytes } from "./show.ts";

const PARTS = [
  ["weights", "Weights"],
  ["kvCache", "KV cache"],
  ["recurrentState", "State"],
  ["compute", "Compute"],
] as const;

/** Memory of each backend, with a bar as long as its share. */
export function MemoryTable({ memory }: { readonly memory: readonly MemoryReport[] }) {
  const most = Math.max(...memory.map(({ sum }) => sum));
  return (
    <ScrollBox class="scroll" name="Memory by backend">
      <table>
        <thead>
          <tr>
            <th scope="col">Memory</th>
            {PARTS.map(([key, label]) => (
              <th scope="col" class="number" key={key}>
                {label}
              </th>
            ))}
            <th scope="col" class="number">
              Sum
            </th>
          </tr>
        </thead>
        <tbody>
          {memory.map((report) => (
            <tr key={report.backend}>
              <th scope="row">{report.backend}</th>
              {PARTS.map(([key]) => (
                <td class="number" key={key}>
                  {showBytes(report[key])}
                </td>
              ))}
              <td class="number">
                <meter aria-label={`Memory of ${report.backend}`} max={most} value={report.sum} /> {showBytes(report.sum)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollBox>
  );
}
