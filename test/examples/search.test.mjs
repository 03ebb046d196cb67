/** The programs with vectors of examples/: a page and its worker, a database, LangChain.js. */
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { Document } from "@langchain/core/documents";
import { Embeddings } from "@langchain/core/embeddings";
import { createBytelane } from "bytelane";
import { createIndex, saveIndex, topK } from "bytelane/search";
import { describe, expect, it } from "vitest";
import { BytelaneStore } from "../../examples/search-langchain/store.mjs";
import { createSearch } from "../../examples/search-page/search.mjs";
import { openNotes } from "../../examples/search-sqlite/main.mjs";

const EXAMPLES = new URL("../../examples/", import.meta.url);

/** Vectors that differ in all of their dimensions. */
function vectorsOf(count, dimensions) {
  return Float32Array.from({ length: count * dimensions }, (_, i) => Math.sin(i * i + i / 7));
}

/** A server of one file, which counts the bytes that it sends of it. */
async function serve(bytes) {
  const sent = { requests: 0, bytes: 0 };
  const server = createServer((request, response) => {
    response.setHeader("content-length", bytes.length);
    if (request.method === "HEAD") return response.end();
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range);
    const part = bytes.subarray(Number(first), Number(last) + 1);
    sent.requests++;
    sent.bytes += part.length;
    response.writeHead(206, { "content-length": part.length }).end(part);
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  return { server, sent, url: `http://127.0.0.1:${server.address().port}/index.safetensors` };
}

/** A worker and its page in one thread: what either posts, the other one gets a turn later. */
async function loadWorker() {
  const page = {};
  globalThis.self = { postMessage: (data) => setImmediate(() => page.onmessage({ data })) };
  await import("../../examples/search-page/worker.mjs");
  const { self } = globalThis;
  page.postMessage = (data) => setImmediate(() => self.onmessage({ data }));
  return page;
}

describe("a page with a worker", () => {
  it("opens an index by ranges, and reads the rows that a search looks at twice", async () => {
    const dimensions = 64;
    const vectors = vectorsOf(3000, dimensions);
    const instance = await createBytelane();
    const index = createIndex(instance, { dimensions, vectors });
    const file = saveIndex(index);
    const { server, sent, url } = await serve(file);
    const search = createSearch(await loadWorker());
    expect(await search.open(url)).toEqual({ count: 3000 });
    const low = 3000 * 32;
    expect(sent.bytes).toBeLessThanOrEqual(file.length - low + 8192);
    const opened = { ...sent };
    const query = vectors.slice(70 * dimensions, 71 * dimensions);
    const { ids, scores } = await search.find(query, 10);
    const wanted = topK(index, query, 10);
    expect([ids, scores]).toEqual([wanted.ids, wanted.scores]);
    expect(sent.requests - opened.requests).toBeLessThanOrEqual(20);
    expect(sent.bytes - opened.bytes).toBe(20 * 32);
    const first = search.find(query, 10);
    const second = search.find(query, 3);
    await expect(first).rejects.toThrow("another search has begun");
    expect((await second).ids).toEqual(wanted.ids.slice(0, 3));
    await expect(search.open(`${url}/../none`.replace("http", "ftp"))).rejects.toThrow();
    await new Promise((closed) => server.close(closed));
    instance.dispose();
  });
});

/** The calls of node:sqlite that the example makes, for runtimes without it. */
class Table {
  #rows = [];
  exec() {}
  prepare(sql) {
    if (sql.startsWith("INSERT")) {
      return { run: (text, vector) => this.#rows.push({ text, vector: vector.slice() }) };
    }
    const withId = this.#rows;
    return {
      get: (id) => withId[id - 1],
      *iterate() {
        for (let i = 0; i < withId.length; i++) yield { id: i + 1, vector: withId[i].vector };
      },
    };
  }
}

it("notes in a database are ranked where they lie", async () => {
  const sqlite = process.getBuiltinModule("node:sqlite");
  const notes = await openNotes(sqlite ? new sqlite.DatabaseSync(":memory:") : new Table());
  const dimensions = 32;
  const vectors = vectorsOf(500, dimensions);
  for (let i = 0; i < 500; i++) {
    notes.add(`note ${i}`, vectors.subarray(i * dimensions, (i + 1) * dimensions));
  }
  const [best, next] = notes.find(vectors.slice(123 * dimensions, 124 * dimensions), 2);
  expect(best.text).toBe("note 123");
  expect(best.score).toBeCloseTo(1, 6);
  expect(next.score).toBeLessThan(best.score);
  notes.close();
});

/** Letters, counted. */
class Letters extends Embeddings {
  constructor() {
    super({});
  }
  async embedQuery(text) {
    return Array.from("etaoinshr", (letter) => text.split(letter).length - 1);
  }
  embedDocuments(texts) {
    return Promise.all(texts.map((text) => this.embedQuery(text)));
  }
}

it("a vector store of LangChain.js finds, filters and forgets", async () => {
  const instance = await createBytelane();
  const texts = ["tea and toast", "a horse on the shore", "snow in the north", "rain on stone"];
  const documents = texts.map((pageContent, i) => new Document({ pageContent, metadata: { i } }));
  const store = await BytelaneStore.fromDocuments(documents, new Letters(), { instance });
  const [found] = await store.similaritySearch("toast and tea", 1);
  expect(found.pageContent).toBe(texts[0]);
  const odd = await store.similaritySearchWithScore("toast", 4, ({ metadata }) => metadata.i % 2);
  expect(odd.map(([{ metadata }]) => metadata.i).sort()).toEqual([1, 3]);
  await store.delete({ ids: ["0"] });
  const retriever = store.asRetriever({ k: 2 });
  const left = await retriever.invoke("toast and tea");
  expect(left.map(({ pageContent }) => pageContent)).not.toContain(texts[0]);
  expect(left.length).toBe(2);
  instance.dispose();
});

it("each of them has 60 lines at most", () => {
  for (const folder of ["memory", "search-langchain", "search-page", "search-sqlite"]) {
    for (const name of readdirSync(new URL(folder, EXAMPLES))) {
      const lines = readFileSync(new URL(`${folder}/${name}`, EXAMPLES), "utf8").split("\n");
      expect([folder, name, lines.length]).toEqual([folder, name, Math.min(lines.length, 61)]);
    }
  }
});
