/**
 * A file of quantized layers: safetensors whose metadata describe the layers. Data for the int4
 * kernel are stored in their memory layout, which is the same for all builds. A file in an
 * instance's memory can therefore be used in place.
 *
 * @category Files
 */

import type { DType, Elements, QuantizedDType } from "../core/dtype.ts";
import type { Tensor } from "../core/tensor.ts";
import type { Int4Linear, Int4Settings } from "../int4/layer.ts";
import type { Int4Sizes } from "../int4/sizes.ts";

import type { Linear } from "../linear/int8.ts";
import type { StaticParams } from "../linear/layer-options.ts";
import type { Quantized } from "../params/quantized.ts";
import type { Table } from "../table/table.ts";
import type { QuantizedTensors } from "./quantized-tensors.ts";

/** Values that a file can store: layers, tables, and plain data. */
export type Storable = Linear | Int4Linear | Table | Tensor | Quantized | Elements[DType];
/** Values that loading returns. Plain data become tensors. */
export type Stored = Linear | Int4Linear | Table | Tensor | QuantizedTensors;

export const KEY = "bytelane";
export const VERSION = 1;

/** How a layer is described in the metadata. Bounds that are infinite are left out. */
export type LayerScheme =
  | ({ kind: "int4"; low?: number; high?: number } & Omit<
      Int4Sizes,
      "halves" | "hasZeros" | "hasOffsets" | "hasBias" | "codes"
    > &
      Pick<Int4Settings, "activations"> & { codes?: Int4Sizes["codes"] })
  | { kind: "table"; rows: number; columns: number; bits: 4 | 8; blockSize: number }
  | {
      kind: "int8";
      inFeatures: number;
      outFeatures: number;
      result: "f32" | "i8" | "u8";
      low?: number;
      high?: number;
      zeroPoint: number;
      scale: number;
      /** Of a static layer. */
      activations?: Required<StaticParams>;
    }
  | { kind: "tensor"; dtype: DType; shape: readonly number[] }
  | {
      kind: "quantized";
      dtype: QuantizedDType;
      shape: readonly number[];
      axis?: number;
      /** Lengths of scale and zero point, where they are tensors. */
      scales: number;
      zeros: number;
      scale?: number;
      zeroPoint?: number;
    };

/** Element types as safetensors names them. */
export const FILE_DTYPES = { f32: "F32", i32: "I32", i8: "I8", u8: "U8" } as const;
