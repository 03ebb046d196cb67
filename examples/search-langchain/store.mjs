/** A vector store of LangChain.js: documents in a Map, their vectors in an index. */
import { Document } from "@langchain/core/documents";
import { VectorStore } from "@langchain/core/vectorstores";
import { createIndex, topK } from "bytelane/search";

export class BytelaneStore extends VectorStore {
  #instance;
  #index;
  #documents = new Map();

  /** `instance` is what createBytelane gives. */
  constructor(embeddings, { instance }) {
    super(embeddings, {});
    this.#instance = instance;
  }

  _vectorstoreType() {
    return "bytelane";
  }

  async addDocuments(documents) {
    const texts = documents.map(({ pageContent }) => pageContent);
    return this.addVectors(await this.embeddings.embedDocuments(texts), documents);
  }

  async addVectors(vectors, documents) {
    if (vectors.length === 0) return [];
    this.#index ??= createIndex(this.#instance, { dimensions: vectors[0].length });
    const ids = this.#index.add(Float32Array.from(vectors.flat()));
    ids.forEach((id, i) => {
      this.#documents.set(id, documents[i]);
    });
    return Array.from(ids, String);
  }

  async delete({ ids }) {
    const numbers = ids.map(Number);
    this.#index?.remove(numbers);
    for (const id of numbers) this.#documents.delete(id);
  }

  /** `filter` is a function of a document. */
  async similaritySearchVectorWithScore(query, k, filter) {
    if (!this.#index) return [];
    const isWanted = ([, document]) => !filter || filter(document);
    const members = [...this.#documents].filter(isWanted).map(([id]) => id);
    const options = filter ? { filter: members } : {};
    const { ids, scores } = topK(this.#index, Float32Array.from(query), k, options);
    return Array.from(ids, (id, i) => [new Document(this.#documents.get(id)), scores[i]]);
  }

  static async fromDocuments(documents, embeddings, config) {
    const store = new BytelaneStore(embeddings, config);
    await store.addDocuments(documents);
    return store;
  }
}
