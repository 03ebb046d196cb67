/** What the module exports of search. */
export { search_add_up, search_check, search_encode, search_move, search_signs } from "./encode";
export { search_query } from "./query";
export { search_order, search_rescore } from "./rescore";
export { search_scan, search_scan_list, search_scan_signs } from "./scan";
