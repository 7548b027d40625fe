// Rows of a GGUF tensor -> one plane of its packed form: an invocation a word, packed_word(w). Run once, at load.
@group(0) @binding(0) var<storage, read> raw: array<u32>; // whole blocks, at any byte
@group(0) @binding(1) var<storage, read_write> plane: array<u32>;

fn raw_byte(at: u32) -> u32 {
  return (raw[at >> 2u] >> (8u * (at & 3u))) & 255u;
}

fn raw_half(at: u32) -> u32 {
  return raw_byte(at) | (raw_byte(at + 1u) << 8u);
}

fn raw_word(at: u32) -> u32 {
  return raw_half(at) | (raw_half(at + 2u) << 16u);
}

// Code i of 32: low nibbles of 16 bytes hold 0…15, high ones 16…31.
fn raw_nibble(at: u32, i: u32) -> u32 {
  return (raw_byte(at + (i & 15u)) >> (4u * (i >> 4u))) & 15u;
}

fn raw_bit(at: u32, i: u32) -> u32 {
  return (raw_byte(at + (i >> 3u)) >> (i & 7u)) & 1u;
}

// Two-bit code i of unit s of a superblock: each half of 128 weights has 32 bytes, whose bit pairs are its four units.
fn raw_pair(at: u32, s: u32, i: u32) -> u32 {
  return (raw_byte(at + 32u * (s >> 2u) + i) >> (2u * (s & 3u))) & 3u;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let w = id.x + id.y * groups.x * WORKGROUP;
  if (w < arrayLength(&plane)) {
    plane[w] = packed_word(w);
  }
}
