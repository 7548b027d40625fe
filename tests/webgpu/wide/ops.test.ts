import { afterAll, describe, it } from "vitest";
import type { Format } from "../../../ts/graph/formats.ts";
import type { Case, OpDeclaration } from "../../../ts/graph/op.ts";
import * as ops from "../../../ts/graph/ops/index.ts";
import { testBackend } from "../adapter.ts";
import { agree } from "../op_rig.ts";

const backend = await testBackend();
afterAll(() => backend?.close());

const range = (n: number, from = 0) => Array.from({ length: n }, (_, i) => from + i);
const repeat = (n: number, value: number) => Array.from({ length: n }, () => value);

/** What the declarations' cases are too small for: several workgroups, shares, tiles, chunks, sequences. */
const longer: readonly (readonly [string, OpDeclaration, Case, Format])[] = [
  [
    "attention, a token over 1100 cells in shares",
    ops.attention.declaration,
    { T: 1, H: 16, G: 2, D: 256, S: 1, N: 1200, scale: 0.0625, rows: [0], positions: [1099] },
    "F16",
  ],
  [
    "attention, shares, Q8_0",
    ops.attention.declaration,
    { T: 1, H: 4, G: 2, D: 64, S: 2, N: 1500, scale: 0.125, rows: [1], positions: [1300] },
    "Q8_0",
  ],
  [
    "attention, shares nobody needs",
    ops.attention.declaration,
    { T: 1, H: 16, G: 2, D: 256, S: 1, N: 1200, scale: 0.0625, rows: [0], positions: [3] },
    "F16",
  ],
  [
    "attention, four sequences decoding",
    ops.attention.declaration,
    { T: 4, H: 6, G: 2, D: 128, S: 4, N: 300, scale: 0.1, rows: [2, 0, 3, 1], positions: [299, 0, 100, 31] },
    "F16",
  ],
  [
    "attention, a prompt of 40 in tiles",
    ops.attention.declaration,
    { T: 40, H: 4, G: 2, D: 64, S: 1, N: 96, scale: 0.125, rows: repeat(40, 0), positions: range(40, 50) },
    "F32",
  ],
  [
    "attention, 20 heads to one, two workgroups of ten",
    ops.attention.declaration,
    { T: 3, H: 40, G: 2, D: 32, S: 1, N: 40, scale: 0.2, rows: repeat(3, 0), positions: range(3, 30) },
    "F32",
  ],
  [
    "kv_write, two blocks a head",
    ops.kvWrite.declaration,
    { T: 9, G: 2, D: 128, S: 2, N: 20, rows: [...repeat(5, 1), ...repeat(4, 0)], positions: [...range(5, 3), ...range(4)] },
    "Q8_0",
  ],
  [
    "conv1d, 130 tokens of three sequences",
    ops.conv1d.declaration,
    { T: 130, C: 72, K: 4, S: 4, J: 3, rows: [...repeat(127, 2), ...repeat(1, 0), ...repeat(2, 3)] },
    "F32",
  ],
  [
    "gated_delta, 130 tokens",
    ops.gatedDelta.declaration,
    { T: 130, C: 512, Hk: 1, Hv: 2, Dk: 128, Dv: 128, S: 2, tiled: 0, eps: 1e-6, rows: repeat(130, 1) },
    "F32",
  ],
  [
    "gated_delta, long runs in chunks beside short ones",
    ops.gatedDelta.declaration,
    {
      ...{ T: 260, C: 512, Hk: 1, Hv: 2, Dk: 128, Dv: 128, S: 6, tiled: 0, eps: 1e-6 },
      rows: [...repeat(3, 4), ...repeat(65, 0), ...repeat(100, 5), ...repeat(27, 1), ...repeat(64, 2), ...repeat(1, 3)],
    },
    "F32",
  ],
  [
    "gated_delta, four sequences decoding",
    ops.gatedDelta.declaration,
    { T: 4, C: 384, Hk: 2, Hv: 4, Dk: 64, Dv: 32, S: 5, tiled: 1, eps: 1e-6, rows: [4, 0, 2, 1] },
    "F32",
  ],
  [
    "gated_delta, keys of 256",
    ops.gatedDelta.declaration,
    { T: 11, C: 576, Hk: 1, Hv: 1, Dk: 256, Dv: 64, S: 1, tiled: 0, eps: 1e-6, rows: repeat(11, 0) },
    "F32",
  ],
  ["router, 512 experts", ops.router.declaration, { T: 3, X: 512, U: 10 }, "F32"],
  ["rms_norm, 65600 rows, more than a grid's dimension", ops.rmsNorm.declaration, { T: 65600, D: 4, eps: 1e-6 }, "F32"],
];

describe.skipIf(!backend)("ops at length", () => {
  for (const [name, op, sizes, cache] of longer) {
    it(name, async () => agree(backend!, op, sizes, { weight: "F32", cache }, 3)); // other seeds let a state grow e-fold a token, past f32
  }
});
