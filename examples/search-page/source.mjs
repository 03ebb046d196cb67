/** A file on a server, read by ranges: what `openIndex` takes as a source. */
export async function httpSource(url) {
  const head = await fetch(url, { method: "HEAD" });
  const size = Number(head.headers.get("content-length"));
  if (!head.ok || !(size > 0)) throw new Error(`${url} answered ${head.status}`);
  return {
    size,
    async read(offset, length) {
      const range = `bytes=${offset}-${offset + length - 1}`;
      const answer = await fetch(url, { headers: { range } });
      if (answer.status !== 206) throw new Error(`${url} answered ${answer.status} to a range`);
      return new Uint8Array(await answer.arrayBuffer());
    },
  };
}
