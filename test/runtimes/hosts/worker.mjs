import { attempt } from "./post.mjs";

await attempt("worker", ({ conform }) => conform("worker"));
