/**
 * The types of the exports of the modules bytelane.search.*.wasm. Addresses are in bytes, counts in
 * elements; both builds export the same names. The records are those of assembly/search/record.ts.
 */
export interface SearchKernels {
  constants_end(): number;

  search_add_up(index: number, src: number, rows: number, sums: number): number;
  search_check(index: number, src: number, rows: number): number;
  search_encode(index: number, src: number, rows: number, first: number): number;
  search_move(index: number, from: number, to: number): void;
  search_signs(index: number, first: number, rows: number): void;
  search_query(index: number, query: number, src: number): number;
  search_scan(index: number, query: number, first: number, rows: number): void;
  search_scan_list(index: number, query: number, list: number, n: number): void;
  search_scan_signs(
    index: number,
    query: number,
    first: number,
    rows: number,
    members: number,
  ): void;
  search_order(index: number, query: number): void;
  search_rescore(index: number, query: number, k: number, codes: number): void;

  /** Plain rows, and documents of many vectors: assembly/search/rows.ts and max-sim.ts. */
  search_rows_f32(
    src: number,
    rows: number,
    dimensions: number,
    query: number,
    metric: number,
    scratch: number,
    scores: number,
  ): number;
  search_rows_i8(
    src: number,
    rows: number,
    dimensions: number,
    query: number,
    metric: number,
    step: number,
    square: number,
    scale: number,
    scratch: number,
    scores: number,
  ): void;
  search_max_sim(
    document: number,
    tokens: number,
    dimensions: number,
    query: number,
    queries: number,
    scale: number,
    scratch: number,
  ): number;
}
