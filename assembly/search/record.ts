/**
 * The records of a search, which the wrapper writes and the kernels read. src/search/record.ts
 * writes them. All addresses are in bytes, all counts in elements.
 */

/** The metrics of an index: how rows are scored. */
export const DOT: i32 = 0;
export const COSINE: i32 = 1;
export const DISTANCE: i32 = 2;
export const HAMMING: i32 = 3;

/** An index: 32 bytes. */
@unmanaged
export class Index {
  /** DOT, COSINE, DISTANCE (squared, Euclidean) or HAMMING. */
  metric!: i32;
  /** Bits per dimension that are stored: 1, 4 or 8. */
  bits!: i32;
  /** Elements of a vector. */
  dimensions!: i32;
  /** `dimensions` rounded up to a multiple of 32, or of 128 for HAMMING. */
  padded!: i32;
  /** A block has 2^shift rows; the last one may have fewer. */
  shift!: i32;
  /** Block records, one per block. */
  blocks!: usize;
  /** The mean that is subtracted from every vector: f32 [dimensions]. */
  mean!: usize;
  /** Room for the codes of one row and its high nibbles: 2 · padded bytes. */
  scratch!: usize;
}

/**
 * A block of rows: 32 bytes. A plane that is not in memory has address 0.
 *
 *   high, low   nibbles of the codes, row by row; 32 dimensions per 16 bytes:
 *               byte j has dimension j in its low half and dimension j + 16 in its high half
 *   signs       top bits of the codes, 32 rows per group; nibble of dimensions 4g … 4g + 3 at byte
 *               16g + p, p = 2 · (row mod 8) + (row div 8 mod 2), in the high half for rows 16–31
 *   bits        HAMMING: packed bits, row by row, padded / 8 bytes each
 *   factors     f32 per row and level: <r, r> / <r̂, r>, where r̂ is the middle of the code's step
 *   extra       f32 per row: DOT, COSINE |x|; DISTANCE −|x − mean|² / 2
 *   ids         f64 per row
 */
@unmanaged
export class Block {
  signs!: usize;
  high!: usize;
  low!: usize;
  factors1!: usize;
  factors4!: usize;
  factors8!: usize;
  extra!: usize;
  ids!: usize;
}

/** A query and the best rows found for it: 96 bytes, and 128 more for the sums of 64 rows. */
@unmanaged
export class Query {
  /** <query, mean>; 0 of DISTANCE, which subtracts the mean from the query. */
  offset!: f64;
  /** |query|², of DISTANCE less the mean. */
  square!: f64;
  /** Half the step of the fine query. */
  fineHalf!: f64;
  /** Half the step of the coarse query. */
  coarseHalf!: f32;
  /** The term added to twice the integer sum of the coarse query: −(2^bits − 1) · Σ q. */
  coarseConstant!: i32;
  /** The term added to twice the integer sum of the fine query. */
  fineConstant!: i32;
  /** Bits of the plane that the coarse query is made for: 1, 4 or 8. */
  bits!: i32;
  /** The coarse query, in the layout of its scan; 4 · padded bytes at most. */
  coarse!: usize;
  /** The fine query: i16 in the layout of `lanes`. */
  fine!: usize;
  /** The best rows: how many there may be, and how many there are. */
  capacity!: i32;
  count!: i32;
  /** f32 score and i32 row of each: a heap whose root is the worst. */
  entries!: usize;
  /** Dimensions that the first look reads, and the same rounded up as `Index.padded` is. */
  prefix!: i32;
  span!: i32;
  /** 1 if the engine multiplies four pairs of bytes in one exact instruction. */
  isFused!: i32;
}

export function blockOf(index: Index, row: i32): Block {
  return changetype<Block>(index.blocks + ((<usize>(row >> index.shift)) << 5));
}

/** The row within its block. */
export function placeOf(index: Index, row: i32): usize {
  return <usize>(row & ((1 << index.shift) - 1));
}

export function idOf(index: Index, row: i32): f64 {
  return load<f64>(blockOf(index, row).ids + (placeOf(index, row) << 3));
}

export function sumsOf(query: Query): usize {
  return changetype<usize>(query) + 96;
}

/** Bytes per row of a plane of nibbles. */
export function nibbleBytes(index: Index): usize {
  return <usize>index.padded >> 1;
}
