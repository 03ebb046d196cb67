/**
 * A quantized value in tensors, as loading returns it.
 *
 * @category Files
 */
import type { QuantizedDType } from "../core/dtype.ts";
import type { Tensor } from "../core/tensor.ts";
import type { Quantized } from "../params/quantized.ts";

/** A loaded quantized value. Operations accept it wherever they accept a `Quantized`. */
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

  // `kind` is on the prototype, so that the own properties are those of a quantized value
  /** Tells it apart from the other entries of a loaded file. */
  get kind(): "quantized" {
    return "quantized";
  }

  /** True when its tensors are disposed. */
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
