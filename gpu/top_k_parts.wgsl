@group(0) @binding(3) var<storage, read> source_ids: array<u32>; // [O, COUNT]

/// The next ones are what the parts before have kept.
fn id_of(o: u32, i: u32) -> u32 {
  return source_ids[min(o * COUNT + i, arrayLength(&source_ids) - 1)];
}
