import { describe, expectTypeOf, it } from "vitest";
import type * as T from "../../ts/browser.ts";
import type * as Node from "../../ts/index.ts";

/** Held by `tsc --noEmit`, as in node.test.ts. */
describe("types of the package in a page", () => {
  it("loads models into a worker", () => {
    expectTypeOf<typeof T.loadModel>().parameter(0).toEqualTypeOf<T.SourceInput | readonly T.SourceInput[]>();
    expectTypeOf<typeof T.loadModel>().parameter(1).toEqualTypeOf<T.PageLoadOptions | undefined>();
    expectTypeOf<typeof T.loadModel>().returns.resolves.toEqualTypeOf<T.Remote<T.Model>>();
    expectTypeOf<T.PageLoadOptions>().toExtend<T.LoadOptions>();
    expectTypeOf<T.LoadOptions["onProgress"]>().parameter(0).toEqualTypeOf<T.LoadProgress>();
    expectTypeOf<T.Model["config"]>().toEqualTypeOf<T.Config>();
    expectTypeOf<T.Config["rope"]>().toEqualTypeOf<T.RopeConfig>();
  });

  it("makes every call a promise, and leaves streams what they are", () => {
    expectTypeOf<T.Remote<T.Model>["createContext"]>().parameter(0).toEqualTypeOf<T.ContextOptions | undefined>();
    expectTypeOf<T.Remote<T.Model>["createContext"]>().returns.resolves.toEqualTypeOf<T.Remote<T.Context>>();
    expectTypeOf<T.Remote<T.Model>["generate"]>().returns.toEqualTypeOf<AsyncGenerator<T.Piece, void, undefined>>();
    expectTypeOf<T.Remote<T.Tokenizer>["encode"]>().parameter(1).toEqualTypeOf<T.EncodeOptions | undefined>();
    expectTypeOf<T.Remote<T.Tokenizer>["encode"]>().returns.resolves.toEqualTypeOf<number[]>();
    expectTypeOf<T.Remote<T.Tokenizer>["decoder"]>().returns.resolves.toEqualTypeOf<T.Remote<T.StreamDecoder>>();
    expectTypeOf<T.Remote<T.ChatTemplate>["render"]>().returns.resolves.toBeString();
    expectTypeOf<T.Model | T.Context | T.Tokenizer | T.ChatTemplate | T.StreamDecoder | T.Metadata>().toExtend<T.Live>();
    expectTypeOf<typeof T.generate>().parameter(0).toEqualTypeOf<T.Remote<T.Context>>();
    expectTypeOf<typeof T.generate>().parameter(3).toEqualTypeOf<T.GenerateOptions | undefined>();
  });

  it("uses a model at the other end of a port as one of its own", () => {
    expectTypeOf<typeof T.connectPort>().toEqualTypeOf<(port: T.PortLike) => Promise<T.Remote<T.Model>>>();
    expectTypeOf<MessagePort>().toExtend<T.PortLike>();
  });

  it("plans with a header, sweeps and keeps models, in the worker", () => {
    expectTypeOf<typeof T.readModelHeader>().returns.resolves.toEqualTypeOf<T.Remote<T.ModelHeader>>();
    expectTypeOf<T.ModelHeader["explain"]>().toEqualTypeOf<(options?: T.ExplainOptions) => T.Explanation>();
    expectTypeOf<T.ExplainOptions>().toExtend<T.PlacementOptions>();
    expectTypeOf<T.Explanation["report"]>().toEqualTypeOf<T.ScheduleReport>();
    expectTypeOf<typeof T.drawSchedule>().parameter(0).toEqualTypeOf<T.ScheduleReport>();
    expectTypeOf<T.ScheduleReport["decode"]>().toEqualTypeOf<T.RunReport>();
    expectTypeOf<T.ScheduleReport["splits"]>().toEqualTypeOf<readonly T.SplitReport[]>();
    expectTypeOf<T.ScheduleReport["crossings"]>().toEqualTypeOf<readonly T.CrossingReport[]>();
    expectTypeOf<T.ScheduleReport["memory"]>().toEqualTypeOf<readonly T.MemoryReport[]>();
    expectTypeOf<typeof T.sweep>().returns.toEqualTypeOf<AsyncGenerator<T.SweepRow, void, undefined>>();
    expectTypeOf<typeof T.openModelCache>().parameter(0).toEqualTypeOf<T.WorkerOptions | undefined>();
    expectTypeOf<typeof T.openModelCache>().returns.resolves.toEqualTypeOf<T.Remote<T.ModelCache>>();
  });

  it("shares its other types with Node", () => {
    expectTypeOf<T.CacheType>().toEqualTypeOf<Node.CacheType>();
    expectTypeOf<T.ContextBytes>().toEqualTypeOf<Node.ContextBytes>();
    expectTypeOf<T.DecodeRequest>().toEqualTypeOf<Node.DecodeRequest>();
    expectTypeOf<typeof T.Sampler>().toEqualTypeOf<typeof Node.Sampler>();
    expectTypeOf<T.SamplerOptions>().toEqualTypeOf<Node.SamplerOptions>();
    expectTypeOf<T.TokenProbability>().toEqualTypeOf<Node.TokenProbability>();
    expectTypeOf<typeof T.openGguf>().toEqualTypeOf<typeof Node.openGguf>();
    expectTypeOf<T.GgufFile>().toEqualTypeOf<Node.GgufFile>();
    expectTypeOf<T.GgufTensor>().toEqualTypeOf<Node.GgufTensor>();
    expectTypeOf<T.GgufField>().toEqualTypeOf<Node.GgufField>();
    expectTypeOf<T.GgufValue>().toEqualTypeOf<T.GgufScalar | T.GgufArray>();
    expectTypeOf<T.Source>().toEqualTypeOf<Node.Source>();
    expectTypeOf<T.ReadOptions>().toEqualTypeOf<Node.ReadOptions>();
    expectTypeOf<T.ChatMessage>().toEqualTypeOf<Node.ChatMessage>();
    expectTypeOf<T.ChatTemplateInput>().toEqualTypeOf<Node.ChatTemplateInput>();
    expectTypeOf<T.ChatToolCall>().toEqualTypeOf<Node.ChatToolCall>();
    expectTypeOf<typeof T.capabilities>().returns.resolves.toEqualTypeOf<T.Capabilities>();
    expectTypeOf<T.Capabilities["opfs"]>().toExtend<T.Capability>();
  });
});
