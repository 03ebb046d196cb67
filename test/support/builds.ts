/** The published builds, as files, bytes, modules, and from a server. */
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach } from "vitest";
import * as inlined from "../../src/entries/index.ts";
import * as loaded from "../../src/entries/load.ts";
import { expectSame } from "./samples.ts";

export const at = (name: string) =>
  new URL(`../../dist/wasm/bytelane.${name}.wasm`, import.meta.url);
export const bytesOf = (name: string) => new Uint8Array(readFileSync(at(name)));
export const moduleOf = (name: string) => new WebAssembly.Module(bytesOf(name));

/** Fails unless an instance works, with the operations of every entry. */
export function expectWorks(instance: loaded.Bytelane): void {
  const x = Float32Array.of(-1, 0.5, 3);
  expectSame(inlined.quantize(instance, x, { scale: 1 / 64 }), [-64, 32, 127]);
  expectSame(loaded.quantize(instance, x, { scale: 1 / 64 }), [-64, 32, 127]);
}

/** A server of the builds on loopback: the content type that it gives them, and what was asked of it. */
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
      if (!/^(simd|relaxed)$/.test(name)) return response.writeHead(404).end();
      const headers = state.type ? { "content-type": state.type } : {};
      return response.writeHead(200, headers).end(bytesOf(name));
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
