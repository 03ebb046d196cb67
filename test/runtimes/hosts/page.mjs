import { attempt, post } from "./post.mjs";

if (new URLSearchParams(location.search).has("refused")) {
  await attempt("page", ({ refusal }) => refusal("page"));
} else {
  await attempt("page", ({ conform }) => conform("page"));
  const worker = new Worker("./worker.mjs", { type: "module" });
  worker.addEventListener("error", (event) => {
    post("worker", { failure: `worker: ${event.message ?? "could not be loaded"}` });
  });
}
