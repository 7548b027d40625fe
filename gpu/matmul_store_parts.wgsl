// Sums of several matrices that were multiplied as one: their outputs lie one after the other, each dense, its first column OUT_STRIDE's.
// PART_i: first row of matrix i in w, OUT_STRIDE where there is none; WIDTH_i: its rows. Between matrices w has rows that nobody wants.
@group(0) @binding(5) var<storage, read_write> out: array<f32>; // [T, WIDTH_0], [T, WIDTH_1], ..., matrix i at element T · PART_i

fn store(row: u32, n: u32, value: f32) {
  let column = FIRST_N + n;
  var first = 0u;
  var width = WIDTH_0;
  if (column >= PART_1) { first = PART_1; width = WIDTH_1; }
  if (column >= PART_2) { first = PART_2; width = WIDTH_2; }
  if (column >= PART_3) { first = PART_3; width = WIDTH_3; }
  if (column >= PART_4) { first = PART_4; width = WIDTH_4; }
  if (column >= PART_5) { first = PART_5; width = WIDTH_5; }
  if (column - first < width) { out[arrayLength(&out) / OUT_STRIDE * first + row * width + column - first] = value; }
}
