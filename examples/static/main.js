import { loadModel } from "/tandem/index.js";

const $ = (selector) => document.querySelector(selector);
const state = $("#state");

/** With `?isolate` in the address: threads by service worker, for hosts that set no headers. Reloads once. */
async function isolate() {
  if (crossOriginIsolated || !new URLSearchParams(location.search).has("isolate")) return;
  await navigator.serviceWorker.register("isolate.js");
  await navigator.serviceWorker.ready;
  const reloaded = sessionStorage.getItem("isolate");
  sessionStorage.setItem("isolate", "reloaded");
  if (reloaded) return;
  location.reload();
  await new Promise(() => {}); // this page has ended: it loads nothing any more
}

await isolate();
const model = await loadModel("/models/qwen3next-mini-q4_k_m.gguf", {
  onProgress: ({ loadedBytes, totalBytes }) => {
    state.textContent = `loading the model: ${Math.round((100 * loadedBytes) / totalBytes)} %`;
  },
});
state.textContent = `${model.name}: ${model.device}`;
$("button").disabled = false;

$("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("button").disabled = true;
  const output = $("output");
  output.textContent = $("#prompt").value;
  try {
    for await (const { text } of model.generate($("#prompt").value, { maxTokens: 64, temperature: 0 })) output.textContent += text;
  } catch (error) {
    state.textContent = error.message;
  } finally {
    $("button").disabled = false;
  }
});
