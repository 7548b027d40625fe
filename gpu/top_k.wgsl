// The K largest of each row of logits, falling, the lower id first of equals; NaN first of all. A workgroup sorts PART candidates of a row
// (bitonic, in fast memory) and keeps its K best; the next dispatch takes those of all workgroups as candidates, until one is left.
// Logits are compared as integers, by their bits: WGSL promises nothing for NaN and infinities.
@group(0) @binding(0) var<storage, read_write> values: array<u32>; // bits of [O, parts, K]
@group(0) @binding(1) var<storage, read_write> ids: array<u32>; // [O, parts, K]
@group(0) @binding(2) var<storage, read> source: array<u32>; // bits of [O, COUNT]

const NOBODY: u32 = 0xffffffff; // fills up the last part
const PARTS: u32 = (COUNT + PART - 1) / PART;

var<workgroup> ranks: array<u32, PART>;
var<workgroup> names: array<u32, PART>;

/// A float's place in the order of numbers as an integer; -0 is 0.
fn rank(bits: u32) -> u32 {
  if ((bits & 0x7fffffff) > 0x7f800000) { return 0xffffffff; }
  if (bits == 0x80000000) { return 0x80000000; }
  return select(bits | 0x80000000, ~bits, bits >> 31 == 1);
}

/// The inverse, but for -0 and the kind of NaN.
fn unrank(r: u32) -> u32 {
  return select(~r, r & 0x7fffffff, r >> 31 == 1);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lid: u32) {
  let group = folded(wg, count);
  if (group >= arrayLength(&ids) / K) { return; }
  let o = group / PARTS;
  let first = group % PARTS * PART;
  for (var i = lid; i < PART; i += WG) {
    let at = o * COUNT + first + i;
    let id = select(NOBODY, id_of(o, first + i), first + i < COUNT);
    names[i] = id;
    ranks[i] = select(rank(source[min(at, arrayLength(&source) - 1)]), 0, id == NOBODY);
  }
  workgroupBarrier();
  for (var size = 2u; size <= PART; size *= 2) {
    for (var far = size / 2; far > 0; far /= 2) {
      for (var i = lid; i < PART / 2; i += WG) {
        let a = i / far * 2 * far + i % far;
        let b = a + far;
        let before = ranks[a] > ranks[b] || (ranks[a] == ranks[b] && names[a] < names[b]);
        if (before != ((a & size) == 0)) {
          let r = ranks[a];
          let name = names[a];
          ranks[a] = ranks[b];
          names[a] = names[b];
          ranks[b] = r;
          names[b] = name;
        }
      }
      workgroupBarrier();
    }
  }
  for (var i = lid; i < K; i += WG) {
    values[group * K + i] = unrank(ranks[i]);
    ids[group * K + i] = names[i];
  }
}
