/** Length of the longest end of `text` that is a start of `marker`, but not all of it. */
export function partialMarker(text: string, marker: string): number {
  for (let n = Math.min(text.length, marker.length - 1); n > 0; n--) if (text.endsWith(marker.slice(0, n))) return n;
  return 0;
}
