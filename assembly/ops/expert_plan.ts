/**
 * Sorts the slots (t, u) by expert, once, before matmul_experts. ids i32[T, U]; an id outside 0..X-1 counts as X-1.
 *   plan: u32 start[X + 1], u32 count, u32 routed[X], u32 slot[T · U]: expert e has slot[start[e] .. start[e + 1]), each t · U + u, ascending;
 *   routed[0 .. count) are the experts that have any, rising.
 * Unit: the whole.
 */
export function expert_plan(plan: usize, ids: usize, T: u32, U: u32, X: u32, begin: u32, end: u32): void {
  if (begin >= end) return;
  const slots = T * U, list = slotsOf(plan, X), routed = routedOf(plan, X);
  memory.fill(plan, 0, <usize>(X + 1) << 2);
  // Counts go one place up, so that after the running sum start[e + 1] is the end of e; start[e] then moves through its own run.
  for (let i: u32 = 0; i < slots; i++) {
    const at = plan + (<usize>expertOf(ids, i, X) << 2);
    store<u32>(at, load<u32>(at, 4) + 1, 4);
  }
  let count: u32 = 0;
  for (let e: u32 = 0; e < X; e++) {
    const at = plan + (<usize>e << 2), tokens = load<u32>(at, 4);
    if (tokens > 0) store<u32>(routed + (<usize>(count++) << 2), e);
    store<u32>(at, load<u32>(at) + tokens, 4);
  }
  store<u32>(routed - 4, count);
  for (let i: u32 = 0; i < slots; i++) {
    const at = plan + (<usize>expertOf(ids, i, X) << 2), next = load<u32>(at);
    store<u32>(list + (<usize>next << 2), i);
    store<u32>(at, next + 1);
  }
  // Every start has become its end: one place up again.
  memory.copy(plan + 4, plan, <usize>X << 2);
  store<u32>(plan, 0);
}

/** Where a plan's routed experts begin; their count is the u32 before. */
// @ts-ignore: decorator
@inline
export function routedOf(plan: usize, X: u32): usize {
  return plan + (<usize>(X + 2) << 2);
}

/** Where a plan's slots begin. */
// @ts-ignore: decorator
@inline
export function slotsOf(plan: usize, X: u32): usize {
  return plan + (<usize>(2 * X + 2) << 2);
}

// @ts-ignore: decorator
@inline
function expertOf(ids: usize, i: u32, X: u32): u32 {
  return min(load<u32>(ids + (<usize>i << 2)), X - 1);
}
