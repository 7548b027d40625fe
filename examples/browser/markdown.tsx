import DOMPurify from "dompurify";
import { marked } from "marked";
import { memo } from "preact/compat";
import { useMemo } from "preact/hooks";

/** What a model writes is not to be trusted: no images either, which would fetch from wherever it says. */
const SAFE = {
  FORBID_TAGS: ["img", "style", "form", "input", "button", "svg", "math", "video", "audio"],
  FORBID_ATTR: ["style", "id", "class"],
};

/** Text with markdown, also half written. */
export const Markdown = memo(function Markdown({ text }: { readonly text: string }) {
  const html = useMemo(() => DOMPurify.sanitize(marked.parse(text, { async: false, gfm: true, breaks: true }), SAFE), [text]);
  return <div class="markdown" dangerouslySetInnerHTML={{ __html: html }} />;
});
