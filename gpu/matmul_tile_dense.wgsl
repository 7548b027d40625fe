// A tile's job: BM rows of x, all of one matrix.
struct Job {
  weight_row: u32, // of the matrix
  first: u32, // row of x and of out
  count: u32,
}

fn job_of(tile: u32, lid: u32) -> Job {
  let rows = arrayLength(&out) / OUT_STRIDE;
  return Job(0u, tile * BM, min(BM, rows - tile * BM));
}

// The row of out of row m of the tile.
fn out_row(job: Job, m: u32) -> u32 {
  return job.first + m;
}

fn x_row(row: u32) -> u32 {
  return row;
}
