// What a matrix-vector kernel does with a finished sum: it stores it. Fusions (a convolution) are other files with this function.
fn finish(row: u32, n: u32, value: f32) {
  store(row, n, value);
}
