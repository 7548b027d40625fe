/** The side panel: a chat with a model that runs in this page's worker. */
import { loadModel, TandemError } from "./tandem/index.js";

const BUILT_IN = "models/qwen3next-mini-q4_k_m.gguf";
const $ = (selector) => document.querySelector(selector);
const [state, log, message, send, stop] = ["#state", "#log", "#message", "#send", "#stop"].map($);
const loadButton = $("#source button");

let model;
let messages = [];

const say = (error) => {
  state.textContent = error instanceof TandemError ? `${error.code}: ${error.message}` : String(error);
};

/** What comes from the network is kept in OPFS by the library; the built-in model need not be there twice. */
async function load(source) {
  send.disabled = true;
  loadButton.disabled = true;
  model?.dispose();
  model = undefined;
  messages = [];
  log.replaceChildren();
  state.textContent = "loading the model …";
  try {
    const input = source || (await (await fetch(BUILT_IN)).blob());
    model = await loadModel(input, {
      workerUrl: "tandem/worker.js", // an extension may not start a script from text
      onProgress: ({ loadedBytes, totalBytes }) => {
        state.textContent = `loading the model: ${Math.round((100 * loadedBytes) / totalBytes)} %`;
      },
    });
    state.textContent = `${model.name}: ${model.device}`;
    send.disabled = false;
  } catch (error) {
    say(error);
  } finally {
    loadButton.disabled = false;
  }
}

function addMessage(role, text) {
  const line = document.createElement("p");
  line.className = role;
  line.textContent = text;
  log.append(line);
  return line;
}

$("#chat").addEventListener("submit", async (event) => {
  event.preventDefault();
  const conversation = messages;
  const asked = conversation.push({ role: "user", content: message.value });
  addMessage("user", message.value);
  message.value = "";
  const answer = addMessage("assistant", "");
  const abort = new AbortController();
  stop.onclick = () => abort.abort();
  send.disabled = true;
  stop.disabled = false;
  try {
    const request = { messages: conversation, temperature: 0, max_tokens: 256, stream: true };
    for await (const chunk of await model.chat.completions.create(request, { signal: abort.signal })) {
      answer.append(chunk.choices[0]?.delta.content ?? "");
    }
  } catch (error) {
    // A model that was replaced took its answers along.
    if (!abort.signal.aborted && conversation === messages) say(error);
  } finally {
    // What there is of an answer is part of the conversation; a question without one is not.
    if (answer.textContent) conversation.push({ role: "assistant", content: answer.textContent });
    else conversation.length = asked - 1;
    stop.disabled = true;
    send.disabled = !model;
  }
});

message.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  if (!send.disabled) $("#chat").requestSubmit();
});

/** The text that was selected in a page, from the context menu: see background.js. */
async function takeSelection() {
  const { selection } = await chrome.storage.session.get("selection");
  if (!selection) return;
  await chrome.storage.session.remove("selection");
  message.value = `${selection}\n\n`;
  message.focus();
}
chrome.storage.session.onChanged.addListener(takeSelection);
await takeSelection();

$("#source").addEventListener("submit", async (event) => {
  event.preventDefault();
  const source = $("#source input").value.trim();
  await chrome.storage.local.set({ source });
  await load(source);
});

const { source = "" } = await chrome.storage.local.get("source");
$("#source input").value = source;
await load(source);
