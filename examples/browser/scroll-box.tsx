import type { ComponentChildren } from "preact";

interface ScrollBoxProps {
  readonly name: string;
  readonly class: string;
  readonly children: ComponentChildren;
}

/** Something wider than a phone: it scrolls by itself, by keyboard too. */
export function ScrollBox({ name, class: kind, children }: ScrollBoxProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class={kind} tabIndex={0} aria-label={name}>
      {children}
    </section>
  );
}
