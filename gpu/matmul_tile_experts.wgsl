// A tile's job: up to BM slots (t, u) of one expert, as matmul_experts_plan.wgsl has sorted them.
@group(0) @binding(6) var<storage, read> plan: array<u32>; // tiles in use, slots, the slots by expert, then (expert, first, count) of each tile

struct Job {
  weight_row: u32, // of the experts bound
  first: u32, // in the sorted slots
  count: u32, // 0 for surplus tiles, and where another dispatch holds the expert
}

var<workgroup> job_found: Job;

fn job_of(tile: u32, lid: u32) -> Job {
  if (lid == 0u) {
    let at = 2u + plan[1] + 3u * tile;
    let expert = plan[at] - FIRST_EXPERT;
    let live = tile < plan[0] && expert < EXPERTS;
    job_found = Job(min(expert, EXPERTS - 1u) * N, plan[at + 1u], select(0u, plan[at + 2u], live));
  }
  return workgroupUniformLoad(&job_found);
}

// The row of out of row m of the tile: its slot.
fn out_row(job: Job, m: u32) -> u32 {
  return plan[2u + job.first + m];
}

fn x_row(slot: u32) -> u32 {
  return slot / SHARED; // U slots of a token read the same row of x[T, 1, K], or each its own of x[T, U, K]
}
