/** The page: the browser bundle of Tandem, whose model is the one in the utility process. */
import { connectPort, TandemError } from "./tandem.js";

/** @typedef {import("./tandem.js").ChatMessageParam} ChatMessageParam */
/** @typedef {import("./tandem.js").Remote<import("./tandem.js").Model>} Model */

const form = /** @type {HTMLFormElement} */ (document.querySelector("form"));
const message = /** @type {HTMLInputElement} */ (document.querySelector("#message"));
const send = /** @type {HTMLButtonElement} */ (document.querySelector("#send"));
const stop = /** @type {HTMLButtonElement} */ (document.querySelector("#stop"));
const log = /** @type {HTMLElement} */ (document.querySelector("#log"));
const state = /** @type {HTMLElement} */ (document.querySelector("#state"));
const tokens = /** @type {HTMLElement} */ (document.querySelector("#tokens"));

const say = (/** @type {unknown} */ error) => {
  state.textContent = error instanceof TandemError ? `${error.code}: ${error.message}` : String(error);
};

/** @param {"user" | "assistant"} role @param {string} text */
function addMessage(role, text) {
  const line = document.createElement("p");
  line.className = role;
  line.textContent = text;
  log.append(line);
  return line;
}

window.addEventListener("message", async ({ source, data, ports: [port] }) => {
  // From this window means from the preload script, and not from a frame or another window.
  if (source !== window || data !== "tandem-port" || !port) return;
  try {
    const model = await connectPort(port);
    state.textContent = `${model.name}: ${model.device}`;
    startChat(model);
  } catch (error) {
    say(error);
  }
});

/** @param {Model} model */
function startChat(model) {
  /** @type {ChatMessageParam[]} */
  const messages = [];
  const count = () =>
    model.tokenize(message.value).then((list) => {
      tokens.textContent = `${list.length} tokens`;
    }, say);
  message.addEventListener("input", count);
  void count();
  send.disabled = false;

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const asked = messages.push({ role: "user", content: message.value });
    addMessage("user", message.value);
    message.value = "";
    void count();
    const answer = addMessage("assistant", "");
    const abort = new AbortController();
    stop.onclick = () => abort.abort();
    send.disabled = true;
    stop.disabled = false;
    try {
      const request = /** @type {const} */ ({ messages, temperature: 0, max_tokens: 256, stream: true });
      for await (const chunk of await model.chat.completions.create(request, { signal: abort.signal })) {
        answer.append(chunk.choices[0]?.delta.content ?? "");
      }
    } catch (error) {
      if (!abort.signal.aborted) say(error);
    } finally {
      // What there is of an answer is part of the conversation; a question without one is not.
      if (answer.textContent) messages.push({ role: "assistant", content: answer.textContent });
      else messages.length = asked - 1;
      send.disabled = false;
      stop.disabled = true;
    }
  });
}
