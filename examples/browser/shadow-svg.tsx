import { useLayoutEffect, useRef } from "preact/hooks";

/** A drawing that stands alone, with styles of its own: in a shadow root they stay there. */
export function ShadowSvg({ svg, name }: { readonly svg: string; readonly name: string }) {
  const host = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const root = host.current!.shadowRoot ?? host.current!.attachShadow({ mode: "open" });
    root.innerHTML = `<style>svg{display:block;max-width:100%;height:auto;margin:auto}</style>${svg}`;
  }, [svg]);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class="drawing" tabIndex={0} aria-label={name}>
      <div ref={host} />
    </section>
  );
}
