/** What the page calls: a worker that searches, as two functions that give promises. */
export function createSearch(worker) {
  const waiting = new Map();
  let last = 0;
  worker.onmessage = ({ data: { number, error, ...result } }) => {
    const { resolve, reject } = waiting.get(number);
    waiting.delete(number);
    if (error) reject(new Error(error));
    else resolve(result);
  };
  const ask = (request) =>
    new Promise((resolve, reject) => {
      waiting.set(++last, { resolve, reject });
      worker.postMessage({ number: last, ...request });
    });
  return {
    /** Opens the index of an address: how many vectors it has. */
    open: (url) => ask({ url }),
    /** The ids and scores of the k vectors that are nearest to a query. */
    find: (query, k) => ask({ query, k }),
  };
}
