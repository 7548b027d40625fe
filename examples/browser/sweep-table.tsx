import type { SweepRow } from "tandem-llm";
import { ScrollBox } from "./scroll-box.tsx";

const HEAD = ["PP", "TG", "N_KV", "T_PP s", "S_PP t/s", "T_TG s", "S_TG t/s"];

/** llama-sweep-bench's table. */
export function SweepTable({ rows }: { readonly rows: readonly SweepRow[] }) {
  return (
    <ScrollBox class="scroll" name="Speeds by filling of the KV cache">
      <table>
        <thead>
          <tr>
            {HEAD.map((name) => (
              <th scope="col" class="number" key={name}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ pp, tg, nKv, ppSeconds, ppSpeed, tgSeconds, tgSpeed }) => (
            <tr key={nKv}>
              {[
                String(pp),
                String(tg),
                String(nKv),
                ppSeconds.toFixed(3),
                ppSpeed.toFixed(2),
                tgSeconds.toFixed(3),
                tgSpeed.toFixed(2),
              ].map((text, column) => (
                <td class="number" key={HEAD[column]}>
                  {text}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollBox>
  );
}
