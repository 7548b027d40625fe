// The delta net's output norm, where a workgroup holds a whole head: rms_norm(o) · weight · silu(gate).
@group(0) @binding(8) var<storage, read> gate: array<f32>; // [T, Hv, Dv]
@group(0) @binding(9) var<storage, read> weight: array<f32>; // [Dv]

fn emit(i: u32, v: f32, mine: bool, lid: u32) {
  let scale = inverseSqrt(workgroup_sum(select(0.0, v * v, mine), lid) / f32(Dv) + NORM_EPS);
  if (mine) { out[i] = v * scale * weight[i % Dv] * silu(gate[i]); }
  row_done(i / Dv * Dv, Dv, lid);
}
