import { execFileSync } from "node:child_process";
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { decodeGgml, type GgufSource, openGguf, readGguf } from "../../src/gguf/index.ts";
import { Bytes, entry, fileOf } from "../support/gguf.ts";

const data = Uint8Array.from({ length: 34 * 6 + 28 }, (_, i) => (i * 5) % 120);
const file = fileOf({
  metadata: [entry("general.name", 8, new Bytes().string("test"))],
  tensors: [{ name: "x", dims: [32, 3, 2], type: 8 }],
  data,
});

/** A source that counts, and may answer at once or later. */
function sourceOf(bytes: Uint8Array, later = true) {
  const asked: [number, number][] = [];
  const source: GgufSource = {
    size: bytes.length,
    read: (offset, length) => {
      asked.push([offset, length]);
      const part = bytes.slice(offset, offset + length);
      return later ? Promise.resolve(part) : part;
    },
  };
  return { source, asked };
}

describe("openGguf", () => {
  it.each([true, false])("reads what readGguf reads, answers later: %s", async (later) => {
    const { source, asked } = sourceOf(file, later);
    const opened = await openGguf(source);
    const whole = readGguf(file);
    expect(opened.version).toBe(whole.version);
    expect(opened.metadata).toEqual(whole.metadata);
    const { data: view, ...rest } = whole.tensors.get("x")!;
    expect(opened.tensors.get("x")).toEqual(rest);
    expect(asked).toEqual([[0, file.length]]);
    expect(await opened.read("x")).toEqual(view);
    expect(asked[1]).toEqual([rest.offset, 204]);
  });

  it("reads rows", async () => {
    const { source } = sourceOf(file);
    const opened = await openGguf(source);
    const all = decodeGgml(await opened.read("x"), "Q8_0");
    const two = decodeGgml(await opened.read("x", { start: 3, rows: 2 }), "Q8_0");
    expect(two).toEqual(all.slice(96, 160));
    expect(await opened.read("x", { start: 4 })).toHaveLength(68);
    expect(await opened.read("x", { rows: 0 })).toHaveLength(0);
  });

  it("reads more of the file until metadata and directory are there", async () => {
    const words = new Bytes().u32(8).u64(60_000);
    for (let i = 0; i < 60_000; i++) words.string(String(i));
    const large = fileOf({
      metadata: [entry("words", 9, words)],
      tensors: [{ dims: [8] }],
      data: 32,
    });
    const { source, asked } = sourceOf(large);
    const opened = await openGguf(source);
    expect((opened.metadata.get("words") as string[]).at(-1)).toBe("59999");
    // each piece once, and not the rest of the file again
    let reached = 0;
    for (const [offset, length] of asked) {
      expect(offset).toBe(reached);
      reached += length;
    }
    expect(asked.length).toBeGreaterThan(2);
    expect(await opened.read("a")).toHaveLength(32);
  });

  it("refuses sources, names and rows that are wrong", async () => {
    const fail = (call: Promise<unknown>, message: string) => expect(call).rejects.toThrow(message);
    await fail(openGguf(null as never), '"source" expected an object, got null');
    await fail(openGguf({ size: 1 } as never), '"source.read" expected a function');
    await fail(openGguf({ size: -1, read: () => data }), '"source.size" expected an integer');
    await fail(
      openGguf({ size: 8, read: () => [] as never }),
      '"source.read" expected a Uint8Array',
    );
    await fail(
      openGguf({ size: 8, read: () => new Uint8Array(7) }),
      '"source.read" expected 8 bytes from 0 on, got Uint8Array(7)',
    );
    await fail(
      openGguf(sourceOf(new Uint8Array(100)).source),
      '"file" expected a file that starts',
    );
    const broken = { size: 8, read: () => Promise.reject(new Error("no such host")) };
    await fail(openGguf(broken), "no such host");
    const opened = await openGguf(sourceOf(file).source);
    await fail(opened.read("y"), '"name" expected a tensor of the file, got "y"');
    await fail(opened.read("x", null as never), '"range" expected an object, got null');
    await fail(
      opened.read("x", { start: 7 }),
      '"range.start" expected an integer in [0, 6], got 7',
    );
    await fail(
      opened.read("x", { start: 5, rows: 2 }),
      '"range.rows" expected an integer in [0, 1]',
    );
  });

  it("reads a header that lies about a huge file without reading that", async () => {
    const asked: number[] = [];
    const head = fileOf({ metadata: [entry("k", 9, new Bytes().u32(0).u64(2 ** 40))] });
    const source = {
      size: 2 ** 45,
      read: (_: number, length: number) => {
        asked.push(length);
        const bytes = new Uint8Array(length);
        bytes.set(head.subarray(0, length));
        return bytes;
      },
    };
    await expect(openGguf(source)).rejects.toThrow(
      '"file" expected as many elements of metadata "k"',
    );
    expect(asked).toEqual([65536]);
  });
});

describe("a file of 3 GiB", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "bytelane-gguf-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("is read within 64 MiB", () => {
    const name = path.join(folder, "large.gguf");
    const rows = 2 ** 15;
    const tensors = Array.from({ length: 6 }, (_, i) => ({
      name: `blk.${i}.weight`,
      dims: [2 ** 15, rows],
      type: 2,
      offset: i * rows * 2 ** 10 * 18,
    }));
    const head = fileOf({ tensors });
    const size = head.length + 6 * rows * 2 ** 10 * 18;
    expect(size).toBeGreaterThan(3 * 2 ** 30);
    const handle = openSync(name, "w");
    writeSync(handle, head);
    ftruncateSync(handle, size);
    // one scale of 1 in the last row of the last tensor
    writeSync(handle, Uint8Array.of(0, 0x3c), 0, 2, size - 2 ** 10 * 18);
    closeSync(handle);
    const child = fileURLToPath(new URL("../support/gguf-child.mjs", import.meta.url));
    const text = execFileSync(process.execPath, ["--max-old-space-size=64", child, name], {
      encoding: "utf8",
    });
    const { tensors: read, last, bytes, peak } = JSON.parse(text);
    expect(read).toBe(6);
    expect(last).toEqual([-8, 0]);
    expect(bytes).toBeLessThan(2 ** 26);
    expect(peak).toBeLessThan(2 ** 26);
  });
});
