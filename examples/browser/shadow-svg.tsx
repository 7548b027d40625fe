import { useLayoutEffect, useRef } from "preact/hooks";
import { ScrollBox } from "./scroll-box.tsx";

/** A drawing that stands alone, with styles of its own: in a shadow root they stay there. */
export function ShadowSvg({ svg, name }: { readonly svg: string; readonly name: string }) {
  const host = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const root = host.current!.shadowRoot ?? host.current!.attachShadow({ mode: "open" });
    root.innerHTML = `<style>svg{display:block;max-width:100%;height:auto;margin:auto}</style>${svg}`;
  }, [svg]);
  return (
    <ScrollBox class="drawing" name={name}>
      <div ref={host} />
    </ScrollBox>
  );
}
