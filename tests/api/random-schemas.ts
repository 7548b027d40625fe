import fc from "fast-check";

const name = fc.constantFrom("a", "b", "name", "size of it", 'quo"te', "ü", "c/d~e", "");
const scalar = fc.oneof(
  fc.string({ maxLength: 8, unit: "binary" }),
  fc.integer({ min: -1000, max: 1000 }),
  fc.constantFrom(true, false, null, 1.5, 'a "b"\\\n\t'),
);
const bounds = (least: fc.Arbitrary<number>, room: number) =>
  fc.tuple(least, fc.nat(room)).map(([low, more]) => [low, low + more] as const);

const string = fc.oneof(
  bounds(fc.nat(3), 8).map(([minLength, maxLength]) => ({ type: "string", minLength, maxLength })),
  fc.constantFrom("date", "time", "date-time", "uuid", "ipv4", "email").map((format) => ({ type: "string", format })),
);
const number = fc.oneof(
  fc.constantFrom({ type: "integer" }, { type: "number" }, { type: "boolean" }, { type: "null" }, { type: ["integer", "null"] }),
  bounds(fc.integer({ min: -2000, max: 2000 }), 300).map(([minimum, maximum]) => ({ type: "integer", minimum, maximum })),
  fc.integer({ min: -5, max: 12_345 }).map((minimum) => ({ type: "integer", minimum })),
  fc.integer({ min: -99, max: 99 }).map((exclusiveMaximum) => ({ type: "integer", exclusiveMaximum })),
  bounds(fc.integer({ min: -150, max: 150 }), 40).map(([minimum, maximum]) => ({ type: "number", minimum, maximum })),
  bounds(fc.integer({ min: -15, max: 15 }), 40).map(([low, high]) => ({
    type: "number",
    exclusiveMinimum: low,
    exclusiveMaximum: high + 1,
  })),
);
const listed = fc.oneof(
  fc.uniqueArray(scalar, { minLength: 1, maxLength: 4 }).map((values) => ({ enum: values })),
  scalar.map((value) => ({ const: value })),
  fc.constant({ const: { a: [1, { b: "x" }], c: {} } }),
);

const reference = fc.constant({ $ref: "#/$defs/it" });
const leaf = fc.oneof(string, number, listed);

const { object } = fc.letrec<{ schema: unknown; object: object; array: unknown; any: unknown }>((tie) => ({
  schema: fc.oneof({ depthSize: "small", maxDepth: 3 }, leaf, reference, tie("array"), tie("object"), tie("any")),
  array: fc.oneof(
    fc.tuple(tie("schema"), bounds(fc.nat(2), 2)).map(([items, [minItems, maxItems]]) => ({ type: "array", items, minItems, maxItems })),
    fc
      .array(tie("schema"), { minLength: 1, maxLength: 3 })
      .map((prefixItems) => ({ type: "array", prefixItems, items: false, minItems: prefixItems.length })),
  ),
  object: fc.oneof(
    fc
      .tuple(fc.dictionary(name, tie("schema"), { maxKeys: 4 }), fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }), fc.boolean())
      .map(([properties, needed, closed]) => {
        const names = Object.keys(properties);
        const rest = closed || names.length === 0 ? { additionalProperties: false } : {};
        return { type: "object", properties, required: names.filter((_, i) => needed[i]), ...rest };
      }),
    fc.tuple(leaf, fc.nat(1)).map(([additionalProperties, minProperties]) => ({
      ...{ type: "object", additionalProperties, minProperties, maxProperties: 2 },
    })),
  ),
  any: fc.oneof(
    fc.array(tie("schema"), { minLength: 1, maxLength: 3 }).map((anyOf) => ({ anyOf })),
    tie("schema").map((it) => ({
      oneOf: [
        { type: "object", properties: { kind: { const: "x" }, it }, required: ["kind", "it"] },
        { type: "object", properties: { kind: { const: "y" } }, required: ["kind"] },
        { type: "null" },
      ],
    })),
    tie("schema").map((schema) => ({ allOf: [schema] })),
  ),
}));

/** Random JSON schemas whose values are bounded: all but the names of additional properties, so that most answers written at random end. */
export const schemas = fc.tuple(object, leaf).map(([schema, it]) => ({ ...schema, $defs: { it } }));
