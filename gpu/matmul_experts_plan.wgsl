// Sorts the slots (t, u) by expert, and cuts each expert's run into tiles of BM. One workgroup: a counting sort in workgroup memory.
// Where in its run a slot lands varies from run to run; its result does not depend on it.
@group(0) @binding(0) var<storage, read> ids: array<i32>; // [T, U]
@group(0) @binding(1) var<storage, read_write> plan: array<u32>; // see matmul_tile_experts.wgsl

var<workgroup> slots_of: array<atomic<u32>, X>; // how many, then where the next one goes
var<workgroup> slots_before: array<u32, WORKGROUP>;
var<workgroup> tiles_before: array<u32, WORKGROUP>;

fn expert_of(slot: u32) -> u32 {
  return min(u32(ids[slot]), X - 1u);
}

// Turns an invocation's numbers into the sums over all before it.
fn scan(lid: u32, slots: u32, tiles: u32) -> vec2<u32> {
  slots_before[lid] = slots;
  tiles_before[lid] = tiles;
  workgroupBarrier();
  for (var step = 1u; step < WORKGROUP; step *= 2u) {
    var sum = vec2(slots_before[lid], tiles_before[lid]);
    if (lid >= step) {
      sum += vec2(slots_before[lid - step], tiles_before[lid - step]);
    }
    workgroupBarrier();
    slots_before[lid] = sum.x;
    tiles_before[lid] = sum.y;
    workgroupBarrier();
  }
  return vec2(slots_before[lid] - slots, tiles_before[lid] - tiles);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) lid: u32) {
  let slots = arrayLength(&ids);
  for (var x = lid; x < X; x += WORKGROUP) {
    atomicStore(&slots_of[x], 0u);
  }
  workgroupBarrier();
  for (var slot = lid; slot < slots; slot += WORKGROUP) {
    atomicAdd(&slots_of[expert_of(slot)], 1u);
  }
  workgroupBarrier();
  let share = (X + WORKGROUP - 1u) / WORKGROUP; // neighbouring experts of an invocation
  var mine = vec2(0u);
  for (var x = lid * share; x < min(X, (lid + 1u) * share); x++) {
    let count = atomicLoad(&slots_of[x]);
    mine += vec2(count, (count + BM - 1u) / BM);
  }
  let before = scan(lid, mine.x, mine.y);
  var first = before.x;
  var tile = before.y;
  for (var x = lid * share; x < min(X, (lid + 1u) * share); x++) {
    let count = atomicLoad(&slots_of[x]);
    atomicStore(&slots_of[x], first);
    for (var done = 0u; done < count; done += BM) {
      let at = 2u + slots + 3u * tile;
      plan[at] = x;
      plan[at + 1u] = first + done;
      plan[at + 2u] = min(BM, count - done);
      tile++;
    }
    first += count;
  }
  if (lid == WORKGROUP - 1u) {
    plan[0] = tile;
    plan[1] = slots;
  }
  workgroupBarrier();
  for (var slot = lid; slot < slots; slot += WORKGROUP) {
    plan[2u + atomicAdd(&slots_of[expert_of(slot)], 1u)] = slot;
  }
}
