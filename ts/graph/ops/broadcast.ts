import { type Op, op } from "../op.ts";
import type { Scalars } from "../tensor.ts";

type Binary = Op<{ readonly x: "f32[N0?, N1?, N2?, N3]"; readonly y: "f32[M0?, M1?, M2?, M3]" }, { readonly out: "f32[=x]" }, never>;

/** An elementwise op of two arrays; y repeats over any axis where its extent divides x's, and nothing is ever materialised for it. */
function binary(name: string, combine: (x: number, y: number) => number): Binary {
  return op(name, {
    inputs: { x: "f32[N0?, N1?, N2?, N3]", y: "f32[M0?, M1?, M2?, M3]" },
    outputs: { out: "f32[=x]" },
    check: (s) => [0, 1, 2, 3].map((i) => mustDivide(s, i)).find(Boolean),
    reference({ out, x, y }, s) {
      let i = 0;
      for (let a = 0; a < s.N0!; a++) {
        for (let b = 0; b < s.N1!; b++) {
          for (let c = 0; c < s.N2!; c++) {
            for (let d = 0; d < s.N3!; d++, i++) {
              const j = (((a % s.M0!) * s.M1! + (b % s.M1!)) * s.M2! + (c % s.M2!)) * s.M3! + (d % s.M3!);
              out[i] = combine(x[i]!, y[j]!);
            }
          }
        }
      }
    },
    units: ({ N0, N1, N2 }) => N0! * N1! * N2!,
    rowwise: (s) => [0, 1, 2].every((axis) => s[`M${axis}`] === s[`N${axis}`]),
    cost: ({ N0, N1, N2, N3 }) => ({ flops: N0! * N1! * N2! * N3!, bytes: 12 * N0! * N1! * N2! * N3! }),
    cases: [
      { N0: 1, N1: 1, N2: 3, N3: 256, M0: 1, M1: 1, M2: 3, M3: 256 },
      { N0: 1, N1: 1, N2: 5, N3: 66, M0: 1, M1: 1, M2: 1, M3: 66 },
      { N0: 2, N1: 6, N2: 4, N3: 8, M0: 1, M1: 3, M2: 4, M3: 2 },
      { N0: 1, N1: 4, N2: 2, N3: 32, M0: 1, M1: 4, M2: 2, M3: 1 },
    ],
    tolerance: 1e-6,
  });
}

function mustDivide(s: Scalars, axis: number): string | undefined {
  const n = s[`N${axis}`]!;
  const m = s[`M${axis}`]!;
  return n % m === 0 ? undefined : `y's extent ${m} must divide x's ${n} on axis ${axis}`;
}

export const add = binary("add", (x, y) => x + y);
export const sub = binary("sub", (x, y) => x - y);
export const mul = binary("mul", (x, y) => x * y);
