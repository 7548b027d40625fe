// Overwrites some bytes of one word: the ends of a write that does not begin or end at a whole word.
@group(0) @binding(0) var<storage, read_write> words: array<u32>; // a window of the buffer
@group(0) @binding(1) var<storage, read> edit: array<u32>; // [3]: index of the word, mask of the bytes to keep, the new bits

@compute @workgroup_size(1)
fn main() {
  words[edit[0]] = (words[edit[0]] & edit[1]) | edit[2];
}
