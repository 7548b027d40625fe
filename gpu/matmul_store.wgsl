// Where a finished sum goes. Merged matmuls have another file with this function.
@group(0) @binding(5) var<storage, read_write> out: array<f32>; // [T, OUT_STRIDE]

fn store(row: u32, n: u32, value: f32) {
  out[row * OUT_STRIDE + FIRST_N + n] = value;
}
