// The shared expert as one expert more, after the best: number X, weighed by its own gate.
@group(0) @binding(3) var<storage, read> gate: array<f32>; // [T, 1]
const SLOTS: u32 = U + 1;

fn after_best(t: u32) {
  ids[t * SLOTS + U] = i32(X);
  weights[t * SLOTS + U] = sigmoid(gate[t]);
}
