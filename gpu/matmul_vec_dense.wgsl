// A matrix-vector job: TOKENS rows of x at a time, all of one matrix.
struct Job {
  weight_row: u32, // of the matrix
  first: u32, // row of x and of out
  count: u32,
}

fn job_of(y: u32) -> Job {
  let rows = arrayLength(&out) / OUT_STRIDE;
  return Job(0u, y * TOKENS, min(TOKENS, rows - y * TOKENS));
}

fn x_row(row: u32) -> u32 {
  return row;
}
