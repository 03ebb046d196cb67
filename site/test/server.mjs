/** A loopback server of the built site. It remembers what was asked, and counts bytes in gzip. */
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { gzipSync } from "node:zlib";

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
  ".txt": "text/plain; charset=utf-8",
};

export async function serveSite(root) {
  const asked = [];
  const sizes = new Map();
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://127.0.0.1");
    const name = decodeURIComponent(pathname).replace(/\/$/, "/index.html");
    const reply = (status, type, content) => {
      response.writeHead(status, { "Content-Type": type, "Cache-Control": "no-store" });
      response.end(content);
    };
    if (name.includes("..")) return reply(404, "text/plain", "none");
    try {
      const content = await readFile(path.join(root, name));
      const type = TYPES[path.extname(name)] ?? "application/octet-stream";
      asked.push(name);
      if (/\.(js|wasm)$/.test(name) && !sizes.has(name)) sizes.set(name, gzipSync(content).length);
      reply(200, type, content);
    } catch {
      asked.push(`${name} missing`);
      reply(404, "text/plain", "none");
    }
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    /** Forgets what was asked. */
    begin: () => asked.splice(0),
    /** Names that were asked for and are not there. */
    missing: () => asked.filter((name) => name.endsWith(" missing")),
    /** Bytes of the JavaScript and wasm that was asked for, in gzip. */
    codeBytes: () => [...new Set(asked)].reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0),
    close: () => {
      server.closeAllConnections();
      return new Promise((done) => server.close(done));
    },
  };
}
