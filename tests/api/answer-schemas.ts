import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { expect } from "vitest";
import type { Model } from "../../ts/api/model.ts";
import { schemas } from "./random-schemas.ts";

// ajv gives formats no meaning of its own; these are the ones that answers are held to, judged by other means than the grammar's.
const day = (text: string) => /^\d{4}-\d\d-\d\d$/.test(text) && new Date(`${text}T00:00:00Z`).toISOString().startsWith(text);
const hour = (text: string) => !Number.isNaN(Date.parse(`2000-01-01T${text}`));
const FORMATS = {
  date: day,
  time: hour,
  "date-time": (text: string) => day(text.slice(0, 10)) && text[10] === "T" && hour(text.slice(11)),
  uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  ipv4: (text: string) =>
    text.split(".").length === 4 && text.split(".").every((part) => String(Number(part)) === part && Number(part) < 256),
  email: /^[^@\s]+@[^@\s]+\.[^@\s]+$/,
};

/**
 * Has the model answer in `count` random JSON schemas, `parallel` at a time, and checks every finished answer. Returns how many finished, and
 * the checked answers.
 */
export async function answerSchemas(
  model: Model,
  count: number,
  seed: number,
  parallel = 1,
): Promise<{ finished: number; answers: string[] }> {
  const ajv = new Ajv2020({ strict: false, formats: FORMATS });
  const answers: string[] = [];
  const todo = fc.sample(schemas, { numRuns: count, seed }).entries();
  const work = async () => {
    for (const [i, schema] of todo) {
      const { choices } = await model.chat.completions.create({
        messages: [{ role: "user", content: "Make up some data." }],
        response_format: { type: "json_schema", json_schema: { name: "data", schema } },
        ...{ seed: i, temperature: 1, max_completion_tokens: 400 },
      });
      if (choices[0]!.finish_reason !== "stop") continue;
      const answer = choices[0]!.message.content!;
      const validate = ajv.compile(schema);
      const valid = validate(JSON.parse(answer));
      expect(valid, `seed ${seed}, schema ${i}: ${answer} for ${JSON.stringify(schema)}: ${ajv.errorsText(validate.errors)}`).toBe(true);
      answers.push(answer);
    }
  };
  await Promise.all(Array.from({ length: parallel }, work));
  return { finished: answers.length, answers };
}
