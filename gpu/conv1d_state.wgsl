// The last 3 inputs of each sequence enter its row of the state; an invocation a channel of a sequence (grid: channels x sequences).
@group(0) @binding(0) var<storage, read_write> state: array<f32>; // [S, 3, C]
@group(0) @binding(1) var<storage, read> x: array<f32>; // [T, C]
@group(0) @binding(2) var<storage, read> rows: array<i32>; // [T]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lid: u32) {
  let run = run_of(wg.y, lid);
  let c = wg.x * WG + lid;
  if (run.y == 0 || c >= C) { return; }
  let n = run.y - run.x;
  let row = wg.y * 3 * C + c;
  for (var j = 0u; j < 3; j++) { // oldest first: a short run moves what is there, and never writes what it still reads
    if (n + j >= 3) { state[row + j * C] = x[(run.x + n + j - 3) * C + c]; } else { state[row + j * C] = state[row + (j + n) * C]; }
  }
}
