/** Elements that are opened and not closed, or the other way. */
export function unclosed(svg: string): string[] {
  const open: string[] = [];
  for (const [, close, name, empty] of svg.matchAll(/<(\/?)([a-z]+)[^<>]*?(\/?)>/gi)) {
    if (close && open.at(-1) === name) open.pop();
    else if (close) open.push(`/${name}`);
    else if (!empty) open.push(name!);
  }
  return open;
}
