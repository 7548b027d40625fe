/** What runs in the page of one measurement: `run[engine](job)` gives { pp, tg }. Served as it is. */
import { repetitions, speeds } from "./speeds.mjs";

const blobOf = async (name) => (await fetch(`/models/${name}`)).blob();

/** Tandem as a page uses it: the time of messages to the worker, with the logits, is in. */
async function tandem({ name, tokens, generated, threads }) {
  const { loadModel } = await import("/dist/browser/index.js");
  const model = await loadModel(await blobOf(name), { threads });
  if (!model.device.includes(`${threads} thread`)) throw new Error(`wanted ${threads} threads, got ${model.device}`);
  const context = await model.createContext({ contextLength: tokens.length + generated, ubatch: tokens.length });
  const engine = { clear: () => context.clear(), decode: (part) => context.decode({ tokens: part }) };
  return { ...(await speeds(engine, tokens, generated)), device: model.device };
}

/**
 * wllama 3 has no call below its completions, which take text: its own timings count, without the time of messages. They must tell of as many
 * tokens as were wanted, none out of its cache. It always chooses the same token: what random weights say is no UTF-8, at which it fails.
 */
async function wllama({ name, text, tokens, generated, threads }) {
  const { Wllama, LoggerWithoutDebug } = await import("/wllama/index.js");
  const engine = new Wllama({ default: "/wllama/wasm/wllama.wasm" }, { suppressNativeLog: true, logger: LoggerWithoutDebug });
  const n_ctx = tokens.length + generated + 64;
  await engine.loadModel([await blobOf(name)], { n_ctx, n_batch: n_ctx, n_threads: threads, n_gpu_layers: 0 });
  const best = { pp: 0, tg: 0 };
  for (const i of repetitions()) {
    const logit_bias = [[tokens[0], 1000]];
    const options = { prompt: text, max_tokens: generated, temperature: 0, logit_bias, cache_prompt: false };
    const { timings } = await engine.createCompletion(options);
    const { cache_n, prompt_n, predicted_n } = timings;
    if (cache_n > 0 || Math.abs(prompt_n - tokens.length) > 2 || predicted_n !== generated)
      throw new Error(`wanted ${tokens.length} tokens read and ${generated} made, got ${JSON.stringify(timings)}`);
    if (i === 0) continue;
    best.pp = Math.max(best.pp, timings.prompt_per_second);
    best.tg = Math.max(best.tg, timings.predicted_per_second);
  }
  return { ...best, device: `${engine.getNumThreads()} threads` };
}

window.run = { tandem, wllama };
