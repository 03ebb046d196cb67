/** The published builds, as files, bytes, modules, and from a server. */
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach } from "vitest";
import { type Bytelane, quantize } from "../../src/entries/index.ts";
import { expectSame } from "./samples.ts";

export const at = (name: string) =>
  new URL(`../../dist/wasm/bytelane.${name}.wasm`, import.meta.url);
export const bytesOf = (name: string) => new Uint8Array(readFileSync(at(name)));
export const moduleOf = (name: string) => new WebAssembly.Module(bytesOf(name));

/** Fails unless an instance works. */
export function expectWorks(instance: Bytelane): void {
  const x = Float32Array.of(-1, 0.5, 3);
  expectSame(quantize(instance, x, { scale: 1 / 64 }), [-64, 32, 127]);
}

/**
 * A server of the builds, and of a page, on loopback: the content type that it gives, and what was
 * asked of it.
 */
export function serveBuilds(): { type: string; asked: string[]; address(name: string): string } {
  let server: Server;
  const state = {
    type: "",
    asked: [] as string[],
    address: (name: string) => `http://127.0.0.1:${(server.address() as AddressInfo).port}/${name}`,
  };
  beforeAll(async () => {
    server = createServer((request, response) => {
      const name = (request.url ?? "").slice(1);
      state.asked.push(name);
      if (!/^(simd|relaxed|page)$/.test(name)) return response.writeHead(404).end();
      const headers = state.type ? { "content-type": state.type } : {};
      const body = name === "page" ? "<!doctype html>" : bytesOf(name);
      return response.writeHead(200, headers).end(body);
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  });
  beforeEach(() => {
    state.type = "application/wasm";
    state.asked = [];
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  return state;
}
