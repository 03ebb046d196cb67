/** The content security policy of each page: the generator's inline scripts by their hashes. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

const hashOf = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/** The policy of a page. Inline styles are those of coloured code and of bars. */
export function policyOf(html) {
  const inline = [...html.matchAll(/<script(?![^>]*\bsrc=)[^>]*>([\s\S]*?)<\/script>/g)];
  const hashes = [...new Set(inline.map(([, text]) => hashOf(text)))];
  return [
    "default-src 'none'",
    `script-src 'self' 'wasm-unsafe-eval' ${hashes.join(" ")}`.trim(),
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "worker-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
}

/** Puts its policy into every page of a folder, before anything that it rules. */
export function writePolicies(folder) {
  const pages = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".html"));
  for (const name of pages) {
    const file = path.join(folder, name);
    const html = readFileSync(file, "utf8");
    const meta = `<meta http-equiv="Content-Security-Policy" content="${policyOf(html)}">`;
    writeFileSync(
      file,
      html.replace(/<meta charset="utf-8">/i, (first) => `${first}\n    ${meta}`),
    );
    if (!readFileSync(file, "utf8").includes(meta))
      throw new Error(`${name} has no <meta charset>`);
  }
  return pages.length;
}
