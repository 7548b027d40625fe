// A matrix-vector job: one slot (t, u), through the expert that the router gave it.
@group(0) @binding(6) var<storage, read> ids: array<i32>; // [T, U]

struct Job {
  weight_row: u32, // of the experts bound
  first: u32, // row of out
  count: u32, // 0 where another dispatch holds the expert
}

fn job_of(slot: u32) -> Job {
  let expert = min(u32(ids[slot]), X - 1u) - FIRST_EXPERT;
  return Job(min(expert, EXPERTS - 1u) * N, slot, select(0u, 1u, expert < EXPERTS));
}

fn x_row(slot: u32) -> u32 {
  return slot / SHARED; // U slots of a token read the same row of x[T, 1, K], or each its own of x[T, U, K]
}
