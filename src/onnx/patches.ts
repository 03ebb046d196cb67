/**
 * im2col for convolutions: the input as rows, one per position of the window, for which the output
 * is a product.
 *
 * @category ONNX models
 */
import { attributeOf, intsOf } from "./graph.ts";
import type { Site } from "./sites.ts";

/** Most rows of one input. More rows would not change the statistics of a layer much. */
const MOST = 1024;

/** How a window moves, in two dimensions; the first is 1 where the convolution has one. */
interface Window {
  readonly size: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly dilation: readonly [number, number];
  /** At the start and at the end of both. */
  readonly pads: readonly [number, number, number, number];
}

/** True for convolutions whose inputs `patchesOf` knows: one group, one or two dimensions. */
export function hasPatches({ operator, groups, dims, node }: Site): boolean {
  const automatic = attributeOf(node, "auto_pad")?.s;
  const isNamed = automatic !== undefined && new TextDecoder().decode(automatic) !== "NOTSET";
  return (
    operator === "Conv" && groups === 1 && (dims.length === 3 || dims.length === 4) && !isNamed
  );
}

function windowOf({ node, dims }: Site): Window {
  const isFlat = dims.length === 3;
  const two = (name: string): [number, number] => {
    const given = intsOf(node, name) ?? [];
    return isFlat ? [1, given[0] ?? 1] : [given[0] ?? 1, given[1] ?? 1];
  };
  const given = intsOf(node, "pads") ?? [];
  const pads = isFlat
    ? ([0, given[0] ?? 0, 0, given[1] ?? 0] as const)
    : ([given[0] ?? 0, given[1] ?? 0, given[2] ?? 0, given[3] ?? 0] as const);
  const size = isFlat ? ([1, dims[2]] as const) : ([dims[2], dims[3]] as const);
  return { size, stride: two("strides"), dilation: two("dilations"), pads };
}

/**
 * Rows of channels · window elements, in the order of the weights, from an input [N, C, H, W] or
 * [N, C, W]. Where there are more than 1024 positions, rows are evenly spread over them.
 */
export function patchesOf(site: Site, reals: Float32Array, dims: readonly number[]): Float32Array {
  const { size, stride, dilation, pads } = windowOf(site);
  const [batch, channels] = dims;
  const [height, width] = dims.length === 3 ? [1, dims[2]] : [dims[2], dims[3]];
  const places = (axis: 0 | 1, length: number): number => {
    const reach = (size[axis] - 1) * dilation[axis] + 1;
    const room = length + pads[axis] + pads[axis + 2] - reach;
    return room < 0 ? 0 : Math.floor(room / stride[axis]) + 1;
  };
  const [rows, columns] = [places(0, height), places(1, width)];
  const positions = batch * rows * columns;
  const count = Math.min(positions, MOST);
  const result = new Float32Array(count * site.columns);
  let to = 0;
  for (let i = 0; i < count; i++) {
    const position = Math.floor((i * positions) / count);
    const n = Math.floor(position / (rows * columns));
    const top = (Math.floor(position / columns) % rows) * stride[0] - pads[0];
    const left = (position % columns) * stride[1] - pads[1];
    for (let c = 0; c < channels; c++) {
      const plane = (n * channels + c) * height * width;
      for (let kh = 0; kh < size[0]; kh++) {
        const y = top + kh * dilation[0];
        for (let kw = 0; kw < size[1]; kw++, to++) {
          const x = left + kw * dilation[1];
          const isInside = y >= 0 && y < height && x >= 0 && x < width;
          if (isInside) result[to] = reals[plane + y * width + x];
        }
      }
    }
  }
  return result;
}
