/**
 * The worker of a page. It opens a saved index by ranges, so that only what a search scans is
 * fetched, and answers searches. A new search ends the one before it.
 */
import { createBytelane } from "bytelane";
import { openIndex, topKAsync } from "bytelane/search";
import { httpSource } from "./source.mjs";

let opening;
let running;

async function open(url) {
  return openIndex(await createBytelane(), await httpSource(url));
}

async function answer({ url, query, k }) {
  if (url) {
    opening = open(url);
    return { count: (await opening).count };
  }
  running?.abort(new Error("another search has begun"));
  running = new AbortController();
  const { ids, scores } = await topKAsync(await opening, query, k, { signal: running.signal });
  return { ids, scores };
}

self.onmessage = ({ data }) => {
  answer(data).then(
    (result) => self.postMessage({ number: data.number, ...result }),
    (fault) => self.postMessage({ number: data.number, error: fault.message }),
  );
};
