// A GGUF header is untrusted input: it comes from the internet and every count in it is 64 bits wide. Each limit below is far
// above any real file and far below what would hurt. Counts are also checked against the bytes left in the file before
// anything is allocated, so a short file can never ask for much memory.

/** The first read; a header without a large vocabulary fits, and a 256 KiB range costs a remote source about one round trip. */
export const FIRST_BLOCK_BYTES = 256 * 1024;

/** Reads double up to here, so that a header of h bytes costs at most 2h + 256 KiB and few reads. */
export const MAX_BLOCK_BYTES = 8 * 1024 * 1024;

/** Metadata and tensor table together: the largest seen is about 12 MB (248,320 tokens with 247,587 merges). */
export const MAX_HEADER_BYTES = 128 * 1024 * 1024;

/** Metadata keys: real files have fewer than 100. */
export const MAX_KEY_COUNT = 65_536;

/** Tensors in one file: 48 layers of 512 experts stored one by one would be about 74,000. */
export const MAX_TENSOR_COUNT = 262_144;

/** Keys and tensor names: the GGUF specification's own limit for keys. */
export const MAX_NAME_BYTES = 65_535;

/** One string value: chat templates, the longest real ones, are tens of kilobytes. */
export const MAX_STRING_BYTES = 16 * 1024 * 1024;

/** Elements of one metadata array: 16 times the largest vocabulary seen (262,144). */
export const MAX_ARRAY_LENGTH = 4 * 1024 * 1024;

/** Arrays in arrays: no known key nests at all; the limit keeps recursion shallow. */
export const MAX_ARRAY_DEPTH = 4;

/** Arrays in arrays, altogether: an empty one takes 12 bytes of file but about 200 of heap. */
export const MAX_NESTED_ARRAYS = 65_536;

/** Dimensions of a tensor: ggml's own limit. */
export const MAX_DIMENSIONS = 4;

/** The specification asks for a multiple of 8; 2 MiB is a huge page, the largest unit a loader could want to map. */
export const MIN_ALIGNMENT = 8;
export const MAX_ALIGNMENT = 2 * 1024 * 1024;

/** What the specification says when `general.alignment` is absent. */
export const DEFAULT_ALIGNMENT = 32;

// The fewest bytes that one item takes in a file.
export const MIN_KEY_VALUE_BYTES = 8 + 1 + 4 + 1; // name length, a letter, value type, a byte
export const MIN_TENSOR_ENTRY_BYTES = 8 + 1 + 4 + 8 + 4 + 8; // name length, a letter, n_dims, one dimension, type, offset
export const STRING_LENGTH_BYTES = 8;
export const ARRAY_PREFIX_BYTES = 4 + 8; // element type, count
