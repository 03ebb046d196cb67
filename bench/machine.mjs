import { existsSync, readFileSync } from "node:fs";
import os from "node:os";
import v8 from "node:v8";

/** The names and versions of what runs this: `{ name, version, engine, flags }`. */
export function runtime() {
  if (globalThis.Deno) {
    const { deno, v8: engine } = globalThis.Deno.version;
    return { name: "Deno", version: deno, engine: `V8 ${engine}`, flags: [] };
  }
  if (globalThis.Bun) {
    const engine = `JavaScriptCore ${process.versions.webkit?.slice(0, 8) ?? ""}`.trim();
    return { name: "Bun", version: globalThis.Bun.version, engine, flags: [] };
  }
  return {
    name: "Node",
    version: process.versions.node,
    engine: `V8 ${process.versions.v8}`,
    flags: process.execArgv.filter((flag) => flag.startsWith("--experimental-wasm")),
  };
}

/** Whether an x64 processor multiplies four bytes in one instruction; null if nobody says. */
function hasVnni() {
  if (os.arch() !== "x64" || !existsSync("/proc/cpuinfo")) return null;
  return /\bavx(512)?_vnni\b/.test(readFileSync("/proc/cpuinfo", "utf8"));
}

export function machine() {
  const cpus = os.cpus();
  return {
    cpu: cpus[0]?.model.trim() || "unknown",
    cores: cpus.length,
    vnni: hasVnni(),
    arch: os.arch(),
    os: `${os.type()} ${os.release().split(".", 2).join(".")}`,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
  };
}

/** Node 20 has relaxed SIMD behind a flag of V8, to be set before anything is compiled. */
export function allowRelaxedSimd() {
  if (globalThis.Deno || globalThis.Bun) return;
  if (Number(process.versions.node.split(".")[0]) < 22) {
    v8.setFlagsFromString("--experimental-wasm-relaxed-simd");
  }
}
