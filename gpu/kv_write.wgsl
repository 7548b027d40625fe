// Writes the keys and values of T tokens into the KV cache, rounded to its type; a workgroup a head of a token, keys then values,
// then whatever else the dispatch is for: `rest` has the workgroups behind these.
@group(0) @binding(0) var<storage, read> k: array<f32>; // [T, G, D]
@group(0) @binding(1) var<storage, read> v: array<f32>; // [T, G, D]
@group(0) @binding(2) var<storage, read_write> k_cache: array<u32>; // [S, G, N, D]
@group(0) @binding(3) var<storage, read_write> v_cache: array<u32>; // [S, G, N, D]
@group(0) @binding(4) var<storage, read> rows: array<i32>; // [T]
@group(0) @binding(5) var<storage, read> positions: array<i32>; // [T]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lid: u32) {
  let unit = folded(wg, count);
  if (unit >= T() * G * 2) {
    rest(unit - T() * G * 2, lid);
    return;
  }
  let head = unit % (T() * G);
  let key = unit < T() * G;
  var squares = 0.0;
  for (var i = lid; i < D; i += WG) {
    let value = select(v[head * D + i], k[head * D + i], key);
    row[i] = value;
    squares += value * value;
  }
  workgroupBarrier();
  if (key) { transform(head / G, squares, lid); }
  let t = head / G;
  let cell = (u32(rows[t]) * G + head % G) * N + u32(positions[t]);
  if (key) {
    cache_prepare(K_TYPE, lid);
    for (var w = lid; w < cache_words(K_TYPE); w += WG) { k_cache[cell * cache_words(K_TYPE) + w] = encode_word(K_TYPE, w); }
  } else {
    cache_prepare(V_TYPE, lid);
    for (var w = lid; w < cache_words(V_TYPE); w += WG) { v_cache[cell * cache_words(V_TYPE) + w] = encode_word(V_TYPE, w); }
  }
}
