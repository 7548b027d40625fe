/** What every platform must do with the package: load, say what it is, generate. Runs as it is in Node, Deno and a page. */
export async function smoke(tandem, input) {
  const model = await tandem.loadModel(input, { threads: 1 });
  const tokens = [];
  let text = "";
  for await (const piece of model.generate("PostgreSQL is", { temperature: 0, maxTokens: 12 })) {
    tokens.push(piece.token);
    text += piece.text;
  }
  const { simd } = await tandem.capabilities();
  const damaged = await tandem.loadModel(new Uint8Array(20)).catch((error) => `${error.name} ${error.code}`);
  await model.dispose();
  return { text, tokens, simd: simd.available, damaged };
}
