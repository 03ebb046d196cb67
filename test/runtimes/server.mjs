// A loopback server. The first folder of a path names the headers: /isolated/page.html is page.html
// with cross-origin isolation. A page posts its result to /<headers>/result?place=<place>.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, sep } from "node:path";

const isolation = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

const policy = (wasm) => ({
  "Content-Security-Policy": [
    "default-src 'none'",
    `script-src 'self'${wasm}`,
    "worker-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
  ].join("; "),
});

/** Each set of headers, and what a page must see under it. */
export const variants = {
  plain: { headers: {}, isolated: false, evalBlocked: false },
  isolated: { headers: isolation, isolated: true, evalBlocked: false },
  csp: { headers: policy(" 'wasm-unsafe-eval'"), isolated: false, evalBlocked: true },
  "isolated+csp": {
    headers: { ...isolation, ...policy(" 'wasm-unsafe-eval'") },
    isolated: true,
    evalBlocked: true,
  },
};

const refusing = { "no-wasm": { headers: policy("") } };

const types = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".wasm": "application/wasm",
  ".map": "application/json",
};

async function body(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString("utf8");
}

export async function serve(root) {
  const waiting = new Map();
  const all = { ...variants, ...refusing };

  const server = createServer(async (request, response) => {
    const url = new URL(request.url, "http://127.0.0.1");
    const [, first, ...rest] = decodeURIComponent(url.pathname).split("/");
    const variant = all[first];
    const reply = (status, type, content) => {
      response.writeHead(status, {
        ...variant?.headers,
        "Content-Type": type,
        "Cache-Control": "no-store",
      });
      response.end(content);
    };
    try {
      if (variant === undefined || rest.includes("..")) return reply(404, "text/plain", "none");
      if (request.method === "POST" && rest[0] === "result") {
        const result = JSON.parse(await body(request));
        reply(204, "text/plain", "");
        waiting.get(`${first}/${url.searchParams.get("place")}`)?.(result);
        return;
      }
      const file = join(root, rest.join(sep));
      reply(200, types[extname(file)] ?? "application/octet-stream", await readFile(file));
    } catch (error) {
      reply(error.code === "ENOENT" || error.code === "EISDIR" ? 404 : 500, "text/plain", "none");
    }
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));

  return {
    url: (variant, path) =>
      `http://127.0.0.1:${server.address().port}/${encodeURIComponent(variant)}/${path}`,
    /** Resolves with what a page posts, or rejects after `limit` ms. */
    result(variant, place, limit) {
      return new Promise((done, fail) => {
        const timer = setTimeout(
          () => fail(new Error(`no result from the ${place} within ${limit} ms`)),
          limit,
        );
        waiting.set(`${variant}/${place}`, (value) => {
          clearTimeout(timer);
          done(value);
        });
      });
    },
    close: () => {
      server.closeAllConnections();
      return new Promise((done) => server.close(done));
    },
  };
}
