const form = /** @type {HTMLFormElement} */ (document.querySelector("form"));
const prompt = /** @type {HTMLInputElement} */ (document.querySelector("#prompt"));
const go = /** @type {HTMLButtonElement} */ (document.querySelector("#go"));
const stop = /** @type {HTMLButtonElement} */ (document.querySelector("#stop"));
const output = /** @type {HTMLOutputElement} */ (document.querySelector("output"));

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  output.textContent = prompt.value;
  go.disabled = true;
  stop.disabled = false;
  const { id, done } = window.tandem.generate(prompt.value, (text) => output.append(text));
  stop.onclick = () => window.tandem.stop(id);
  try {
    await done;
  } catch (error) {
    output.append(`\n${error}`);
  } finally {
    go.disabled = false;
    stop.disabled = true;
  }
});
