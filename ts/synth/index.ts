export type { SynthOptions, SynthProgress } from "./options.ts";
export { type Fill, type PlannedTensor, tensorPlan } from "./plan.ts";
export { type Preset, type PresetName, presets } from "./presets.ts";
export { type Quant, quants } from "./quants.ts";
export { type SynthReport, synthesize, synthSize } from "./synthesize.ts";
