/**
 * A quantized value in tensors, as it comes back from a file.
 *
 * @category Files
 */
import type { QuantizedDType } from "../core/dtype.ts";
import type { Tensor } from "../core/tensor.ts";
import type { Quantized } from "../params/quantized.ts";

/** What a file gives for a quantized value: tensors, taken whole where a quantized value is. */
export class QuantizedTensors implements Quantized {
  readonly values: Tensor<QuantizedDType>;
  readonly scale: number | Tensor<"f32">;
  readonly zeroPoint: number | Tensor<"i32">;
  readonly axis: number | undefined;
  readonly shape: readonly number[];

  /** @internal */
  constructor({
    values,
    scale,
    zeroPoint,
    axis,
    shape,
  }: Omit<QuantizedTensors, "kind" | "dispose" | "disposed">) {
    this.values = values;
    this.scale = scale;
    this.zeroPoint = zeroPoint;
    this.axis = axis;
    this.shape = shape;
  }

  // on the prototype: its own properties are those of a quantized value
  /** What tells it from the other things of a file. */
  get kind(): "quantized" {
    return "quantized";
  }

  /** True when its tensors have given their memory back. */
  get disposed(): boolean {
    return this.values.disposed;
  }

  /** Disposes its tensors. */
  dispose(): void {
    for (const part of [this.values, this.scale, this.zeroPoint]) {
      if (typeof part === "object") part.dispose();
    }
  }
}
