/**
 * Observes activations. The model runs in a runtime that the caller provides.
 *
 * @category ONNX models
 */
import { create } from "@bufbuild/protobuf";
import { checkObject, rangeFault, typeFault } from "../core/check.ts";
import { quoted } from "./fault.ts";
import type { Graphs } from "./graph.ts";
import { encodeModel, join } from "./model.ts";
import { type ModelProto, ValueInfoProtoSchema } from "./onnx_pb.ts";
import type { TensorReader } from "./source.ts";
import { isExternal, TYPES } from "./tensor-data.ts";

/** A tensor of an ONNX runtime, such as onnxruntime's `Tensor`. */
export interface OnnxValue {
  readonly dims: readonly number[];
  readonly data: ArrayLike<number> | ArrayLike<bigint> | ArrayLike<string>;
  /** Such as "float32". Feeds need the type that the runtime requires. */
  readonly type?: string;
}

/** Inputs or outputs by name. */
export type OnnxValues = Readonly<Record<string, OnnxValue>>;

/** A model that is ready to run. */
export interface OnnxSession {
  run(feeds: OnnxValues): OnnxValues | Promise<OnnxValues>;
  /** Frees its memory. */
  release?(): unknown;
}

/**
 * Prepares a model to run; `onnxRunner` makes a runner from onnxruntime-node or onnxruntime-web.
 */
export type OnnxRunner = (model: Uint8Array) => OnnxSession | Promise<OnnxSession>;

/** The runtime and the data for calibration. */
export interface Calibration {
  readonly runner: OnnxRunner;
  /** Typical inputs of the model: a few dozen suffice. */
  readonly feeds: readonly OnnxValues[];
}

/** @internal */
export function checkCalibration({ runner, feeds }: Calibration): void {
  if (typeof runner !== "function") {
    throw typeFault("options.calibration.runner", "a function", runner);
  }
  if (!Array.isArray(feeds)) throw typeFault("options.calibration.feeds", "an array", feeds);
  if (feeds.length === 0) throw rangeFault("options.calibration.feeds", "at least one", feeds);
  feeds.forEach((each, i) => void checkObject(`options.calibration.feeds[${i}]`, each));
}

/** The members of onnxruntime's module that are used. */
export interface OnnxRuntime {
  readonly InferenceSession: {
    create(
      model: Uint8Array,
      options?: object,
    ): Promise<{
      run(feeds: Record<string, never>): Promise<Record<string, unknown>>;
      release(): Promise<void>;
    }>;
  };
  readonly Tensor: new (type: never, data: never, dims: readonly number[]) => unknown;
}

/**
 * A runner on onnxruntime-node or onnxruntime-web: pass the module. Options go to
 * `InferenceSession.create`.
 *
 * @example
 * import * as ort from "onnxruntime-node";
 * const calibration = { runner: onnxRunner(ort), feeds };
 */
export function onnxRunner(runtime: OnnxRuntime, options: object = {}): OnnxRunner {
  checkObject("runtime", runtime);
  if (typeof runtime.InferenceSession?.create !== "function") {
    throw typeFault("runtime", "the module onnxruntime-node or onnxruntime-web", runtime);
  }
  return async (model) => {
    const session = await runtime.InferenceSession.create(model, {
      logSeverityLevel: 3,
      ...options,
    });
    return {
      async run(feeds) {
        const inputs: Record<string, unknown> = {};
        for (const [name, { type = "float32", data, dims }] of Object.entries(feeds)) {
          inputs[name] = new runtime.Tensor(type as never, data as never, dims);
        }
        return (await session.run(inputs as Record<string, never>)) as unknown as OnnxValues;
      },
      release: () => session.release(),
    };
  };
}

/** @internal A copy of a model with further outputs, and with all its tensors inside. */
export async function withOutputs(
  model: ModelProto,
  names: Iterable<string>,
  reader: TensorReader,
): Promise<Uint8Array> {
  const { graph } = model;
  if (!graph) throw typeFault("model", "a model with a graph", model);
  const present = new Set(graph.output.map(({ name }) => name));
  const output = [...graph.output];
  for (const name of names) {
    if (present.has(name)) continue;
    present.add(name);
    output.push(
      create(ValueInfoProtoSchema, { name, type: { tensorType: { elemType: TYPES.FLOAT } } }),
    );
  }
  const initializer = await Promise.all(
    graph.initializer.map(async (tensor) => {
      if (!isExternal(tensor)) return tensor;
      const rawData = (await reader.bytes(tensor)) as Uint8Array<ArrayBuffer>;
      return { ...tensor, rawData, dataLocation: 0, externalData: [] };
    }),
  );
  return join(encodeModel({ ...model, graph: { ...graph, output, initializer } }));
}

/**
 * @internal Runs a model on all feeds, and passes values of each run to a callback.
 *
 * Errors: those of the runtime; a value that it does not return.
 */
export async function observe(
  model: Uint8Array,
  { runner, feeds }: Calibration,
  names: readonly string[],
  visit: (name: string, reals: Float32Array, dims: readonly number[], feed: number) => void,
  step: () => void = () => {},
): Promise<void> {
  const session = await runner(model);
  try {
    for (const [i, feed] of feeds.entries()) {
      const values = await session.run(feed);
      for (const name of names) {
        const value = values[name] ?? feed[name];
        if (!value)
          throw rangeFault("options.calibration.runner", `the value ${quoted(name)}`, value);
        const { data, dims } = value;
        visit(
          name,
          data instanceof Float32Array ? data : Float32Array.from(data as number[]),
          dims,
          i,
        );
      }
      step();
    }
  } finally {
    await session.release?.();
  }
}

/**
 * @internal True for values of the main graph that a runtime can return: inputs and results of
 * nodes, but no constants.
 */
export function isObservable(graphs: Graphs, name: string): boolean {
  const { producers, inputs, constants } = graphs.main;
  return !constants.has(name) && (producers.has(name) || inputs.has(name));
}
