import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { matmulScratchBytes } from "../../ts/backends/wasm/activation.ts";
import {
  bf16ToF32,
  type Format,
  f16ToF32,
  f32ToBf16,
  f32ToF16,
  formatByName,
  formatOf,
  formats,
  rowBytes,
} from "../../ts/graph/formats.ts";
import { builds, Kernels } from "./kernels.ts";
import { normals, random, randomWeights } from "./weights.ts";

const HALF = [0x00, 0x38]; // f16 0.5
const QUARTER = [0x00, 0x34]; // f16 0.25

function dequantize(format: Format, bytes: number[], count: number): number[] {
  const out = new Float32Array(count);
  formatByName(format).dequantize(Uint8Array.from(bytes), out);
  return [...out];
}

const zeros = (count: number) => new Array<number>(count).fill(0);

describe("16-bit floats", () => {
  test("every finite f16 and bf16 survives the way to f32 and back", () => {
    for (let bits = 0; bits < 65536; bits++) {
      if ((bits & 0x7c00) !== 0x7c00) expect(f32ToF16(f16ToF32(bits))).toBe(bits);
      if ((bits & 0x7f80) !== 0x7f80) expect(f32ToBf16(bf16ToF32(bits))).toBe(bits);
    }
  });

  test("halves round to even, subnormals and overflow as IEEE says", () => {
    expect(f32ToF16(1 + 2 ** -11)).toBe(0x3c00); // between 1 and 1 + 2^-10
    expect(f32ToF16(1 + 3 * 2 ** -11)).toBe(0x3c02);
    expect(f32ToF16(65519)).toBe(0x7bff);
    expect(f32ToF16(65520)).toBe(0x7c00);
    expect(f32ToF16(2 ** -25)).toBe(0); // half of the smallest: to even
    expect(f32ToF16(3 * 2 ** -25)).toBe(2);
    expect(f32ToF16(-(2 ** -24))).toBe(0x8001);
    expect(f32ToF16(2 ** -14 - 2 ** -25)).toBe(0x0400); // a carry from the subnormals into the normals
    expect(f32ToBf16(1 + 2 ** -8)).toBe(0x3f80);
    expect(f32ToBf16(1 + 3 * 2 ** -8)).toBe(0x3f82);
    expect(f32ToBf16(3.4e38)).toBe(0x7f80);
    for (const value of [Infinity, -Infinity]) {
      expect(f16ToF32(f32ToF16(value))).toBe(value);
      expect(bf16ToF32(f32ToBf16(value))).toBe(value);
    }
    expect(f16ToF32(f32ToF16(NaN))).toBeNaN();
    expect(bf16ToF32(f32ToBf16(NaN))).toBeNaN();
    expect(Object.is(f16ToF32(0x8000), -0)).toBe(true);
  });

  test("rounding takes the nearest neighbour", () => {
    fc.assert(
      fc.property(fc.double({ min: -65000, max: 65000, noNaN: true }), (value) => {
        const f32 = Math.fround(value);
        const got = f16ToF32(f32ToF16(f32));
        const step = Math.max(2 ** -24, 2 ** (Math.floor(Math.log2(Math.abs(f32))) - 10));
        expect(Math.abs(got - f32)).toBeLessThanOrEqual(step / 2);
      }),
    );
  });
});

describe("the table", () => {
  test("is found by name and by GGUF type", () => {
    for (const row of formats) {
      expect(formatByName(row.name)).toBe(row);
      expect(formatOf(row.ggmlType)).toBe(row);
    }
    expect(formatOf(4)).toBeUndefined();
  });

  test("rowBytes counts whole blocks only", () => {
    expect(rowBytes("Q4_K", 512)).toBe(288);
    expect(rowBytes("BF16", 3)).toBe(6);
    expect(() => rowBytes("Q8_0", 33)).toThrow("Q8_0: a row must be whole blocks of 32 elements, got 33");
  });
});

describe("blocks written by hand", () => {
  const tail = (values: number[], from: number, to: number) => values.slice(from, to);

  test("Q8_0, Q4_0, Q4_1", () => {
    expect(dequantize("Q8_0", [...HALF, 1, 255, 128, ...zeros(28), 127], 32)).toEqual([0.5, -0.5, -64, ...zeros(28), 63.5]);
    const q4 = dequantize("Q4_0", [...HALF, 0xf0, ...new Array(14).fill(0x88), 0x19], 32);
    expect([q4[0], q4[16], q4[15], q4[31], q4[5]]).toEqual([-4, 3.5, 0.5, -3.5, 0]);
    const q41 = dequantize("Q4_1", [...HALF, ...QUARTER, 0xf0, ...zeros(14), 0x19], 32);
    expect([q41[0], q41[16], q41[15], q41[31], q41[5]]).toEqual([0.25, 7.75, 4.75, 0.75, 0.25]);
  });

  test("Q5_0, Q5_1: fifth bits 0, 17 and 31", () => {
    const bits = [1, 0, 2, 0x80];
    const q50 = dequantize("Q5_0", [...HALF, ...bits, 0x21, ...zeros(15)], 32);
    expect([q50[0], q50[16], q50[17], q50[31], q50[1]]).toEqual([0.5, -7, 0, 0, -8]);
    const q51 = dequantize("Q5_1", [...HALF, ...QUARTER, ...bits, 0x21, ...zeros(15)], 32);
    expect([q51[0], q51[16], q51[17], q51[31], q51[1]]).toEqual([8.75, 1.25, 8.25, 8.25, 0.25]);
  });

  test("IQ4_NL, MXFP4: levels by code", () => {
    const codes = [0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe, ...zeros(8)];
    const nl = dequantize("IQ4_NL", [...HALF, ...codes], 32);
    expect([...tail(nl, 0, 8), ...tail(nl, 16, 24)].map((v) => 2 * v)).toEqual([
      -127, -83, -49, -22, 1, 25, 53, 89, -104, -65, -35, -10, 13, 38, 69, 113,
    ]);
    const fp4 = dequantize("MXFP4", [128, ...codes], 32); // 2^(128 - 127) · E2M1
    expect([...tail(fp4, 0, 8), ...tail(fp4, 16, 24)]).toEqual([0, 2, 4, 8, 0, -2, -4, -8, 1, 3, 6, 12, -1, -3, -6, -12]);
    expect(dequantize("MXFP4", [0, 2, ...zeros(15)], 32)[0]).toBe(2 ** -127);
  });

  test("Q4_K, Q5_K: the six-bit scales of sub-blocks 0 and 5", () => {
    // scale 0 = 33, min 0 = 2; scale 5 = 0b10_0011 = 35 (nibble 3 of byte 9, top bits of byte 1), min 5 = 0b01_0100 = 20 (of byte 5)
    const scales = [33, 0b10000000, 0, 0, 2, 0b01000000, 0, 0, 0, 0x43, 0, 0];
    const codes = zeros(128);
    codes[0] = 0x07; // element 0
    codes[64] = 0x90; // element 160 = 5 · 32
    const q4 = dequantize("Q4_K", [...HALF, ...QUARTER, ...scales, ...codes], 256);
    expect([q4[0], q4[1], q4[160], q4[161], q4[255]]).toEqual([0.5 * 33 * 7 - 0.5, -0.5, 0.5 * 35 * 9 - 5, -5, 0]);
    const fifth = zeros(32);
    fifth[0] = 0b00100001; // elements 0 and 160
    const q5 = dequantize("Q5_K", [...HALF, ...QUARTER, ...scales, ...fifth, ...codes], 256);
    expect([q5[0], q5[1], q5[160], q5[161]]).toEqual([0.5 * 33 * 23 - 0.5, -0.5, 0.5 * 35 * 25 - 5, -5]);
  });

  test("Q6_K: one code in each quarter", () => {
    const low = zeros(128);
    const high = zeros(64);
    const scales = zeros(16).map((_, i) => (i === 3 ? 0xff : i + 1)); // scale 3 = -1
    low[1] = 0x5a; // element 1 low 10, element 65 low 5
    low[64 + 33] = 0xc3; // of the second half: element 161 low 3, element 225 low 12
    high[1] = 0b00_01_00_10; // element 1 high 2, element 65 high 1
    high[32 + 1] = 0b11_00_01_00; // element 161 high 1, element 225 high 3
    const q6 = dequantize("Q6_K", [...low, ...high, ...scales, ...HALF], 256);
    expect([q6[1], q6[65], q6[161], q6[225], q6[48]]).toEqual([
      0.5 * 1 * (42 - 32),
      0.5 * 5 * (21 - 32),
      0.5 * 11 * (19 - 32),
      0.5 * 15 * (60 - 32),
      0.5 * -1 * -32,
    ]);
  });

  test("Q2_K, Q3_K, IQ4_XS", () => {
    const scales2 = zeros(16);
    scales2[0] = 0x23; // scale 3, min 2
    scales2[11] = 0x51; // of elements 176..191: second half, run 1, last sixteen
    const codes = zeros(64);
    codes[0] = 0b11; // element 0
    codes[32 + 16] = 0b1000; // element 128 + 32 + 16
    const q2 = dequantize("Q2_K", [...scales2, ...codes, ...HALF, ...QUARTER], 256);
    expect([q2[0], q2[1], q2[176], q2[177]]).toEqual([0.5 * 3 * 3 - 0.5, -0.5, 0.5 * 2 - 1.25, -1.25]);

    const third = zeros(32);
    third[16] = 1 << 5; // element 176
    const scales3 = zeros(12);
    scales3[3] = 0x90; // low nibble of scale 11 = 9 (high nibble of byte 3)
    scales3[11] = 0b10_0000; // its top bits = 2: 41 - 32 = 9
    const q3 = dequantize("Q3_K", [...third, ...codes, ...scales3, ...HALF], 256);
    expect([q3[0], q3[176], q3[177]]).toEqual([0.5 * -32 * -1, 0.5 * 9 * 2, 0.5 * 9 * -4]);

    const nibbles = zeros(128);
    nibbles[16 * 5 + 2] = 0xf8; // elements 162 and 178
    const xs = dequantize("IQ4_XS", [...HALF, 0, 0b1100, 0, 0, 0x70, 0, ...nibbles], 256); // scale 5 = 7 + 3 · 16 = 55
    expect([xs[162], xs[178], xs[0]]).toEqual([0.5 * 23 * 1, 0.5 * 23 * 113, 0.5 * -32 * -127]);
  });
});

describe("quantisers", () => {
  const bound: Partial<Record<Format, number>> = {
    F32: 0,
    F16: 2 ** -11,
    BF16: 2 ** -8,
    Q8_0: 0.5 / 127 + 2 ** -11,
    Q4_0: 1 / 8 + 2 ** -10,
  };

  test.each(Object.keys(bound) as Format[])("%s: values come back within the bound", (format) => {
    const values = normals(1024, random(7));
    const { quantize, dequantize: back } = formatByName(format);
    const bytes = quantize!(values);
    expect(bytes.length).toBe(rowBytes(format, 1024));
    const got = new Float32Array(1024);
    back(bytes, got);
    for (let i = 0; i < 1024; i++) {
      const block = values.subarray(i & ~31, (i & ~31) + 32);
      const scale = format.startsWith("Q") ? Math.max(...block.map(Math.abs)) : Math.abs(values[i]!);
      expect(Math.abs(got[i]! - values[i]!)).toBeLessThanOrEqual(bound[format]! * scale);
    }
  });

  test("Q8_0 and Q4_0 round as ggml's reference: halves away from zero, the extreme value to -8", () => {
    const values = new Float32Array(32);
    values.set([127, 0.5, -0.5, 2.5, -127]);
    expect([...formatByName("Q8_0").quantize!(values).subarray(2, 7)]).toEqual([127, 1, 255, 3, 129]);
    values.set([-8, 7.4, 8, 0, 1]);
    const q4 = formatByName("Q4_0").quantize!(values);
    expect(f16ToF32(q4[0]! | (q4[1]! << 8))).toBe(1);
    expect([...q4.subarray(2, 7)].map((byte) => byte & 15)).toEqual([0, 15, 15, 8, 9]);
    expect(formatByName("Q4_0").quantize!(new Float32Array(32))[2]).toBe(0x88);
  });
});

describe.each(builds())("get_rows, %s build", (build) => {
  const kernels = new Kernels(build);
  test.each(formats.map((format) => format.name))("%s equals the reference to the bit", (format) => {
    kernels.reset();
    const { ggmlType, blockSize, dequantize: reference } = formatByName(format);
    const [N, D] = [7, blockSize === 1 ? 1031 : 1280];
    const weights = randomWeights(format, N * D, random(8));
    const ids = Int32Array.of(6, 0, 3, 3, 5, 7, -1); // the last two are outside: they read the last row
    const w = kernels.put(weights);
    const at = kernels.put(ids);
    const out = kernels.alloc(4 * ids.length * D);
    const scratch = kernels.alloc(matmulScratchBytes(D));
    kernels.run.get_rows!(out, w, at, ids.length, N, D, ggmlType, scratch, 0, 3);
    kernels.run.get_rows!(out, w, at, ids.length, N, D, ggmlType, scratch, 3, ids.length);
    const want = new Float32Array(D);
    for (const [r, id] of ids.entries()) {
      const row = Math.min(id >>> 0, N - 1) * rowBytes(format, D);
      reference(weights.subarray(row, row + rowBytes(format, D)), want);
      const got = kernels.f32(out + 4 * r * D, D);
      expect(want.findIndex((value, i) => value !== got[i])).toBe(-1); // but for the sign of zero
    }
    expect(kernels.guarded(out, 4 * ids.length * D)).toBe(true);
  });
});
