/**
 * Files of the command line: they are read piece by piece, and a written file is always complete.
 */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { type FileHandle, open, readFile, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import type { ByteSource } from "../core/byte-source.ts";
import type { SafetensorsSource } from "../formats/index.ts";
import type { OnnxSource } from "../onnx/index.ts";
import { Failure } from "./failure.ts";

/** Formats that the command reads. */
export type Format = "onnx" | "safetensors";

/** The format of a file by its name. */
export function formatOf(file: string): Format {
  if (file.endsWith(".onnx")) return "onnx";
  if (file.endsWith(".safetensors") || file.endsWith(".safetensors.index.json")) {
    return "safetensors";
  }
  throw new Failure(
    `${file}: expected a file called *.onnx, *.safetensors or *.safetensors.index.json`,
  );
}

const handles = new Set<FileHandle>();

/** Opens a file as a source of byte ranges. `closeFiles` closes it. */
export async function openFile(file: string): Promise<ByteSource> {
  const handle = await open(file, "r").catch((fault: Error) => {
    throw new Failure(`${file}: ${reasonOf(fault)}`);
  });
  handles.add(handle);
  const { size } = await handle.stat();
  return {
    size,
    async read(offset, length) {
      const bytes = new Uint8Array(length);
      let done = 0;
      while (done < length) {
        const { bytesRead } = await handle.read(bytes, done, length - done, offset + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return bytes.subarray(0, done);
    },
  };
}

/** Closes the files that `openFile` has opened. */
export async function closeFiles(): Promise<void> {
  const all = [...handles];
  handles.clear();
  await Promise.all(all.map((handle) => handle.close()));
}

/** A model and the files beside it. */
export async function onnxSource(file: string): Promise<OnnxSource> {
  const model = await readFile(file).catch((fault: Error) => {
    throw new Failure(`${file}: ${reasonOf(fault)}`);
  });
  return { model, externalData: (name) => openFile(path.join(path.dirname(file), name)) };
}

/** A checkpoint, or the index of one in several files. */
export async function safetensorsSource(file: string): Promise<SafetensorsSource> {
  if (!file.endsWith(".json")) return openFile(file);
  const index = await readFile(file, "utf8").catch((fault: Error) => {
    throw new Failure(`${file}: ${reasonOf(fault)}`);
  });
  return { index, open: (name) => openFile(path.join(path.dirname(file), name)) };
}

function reasonOf(fault: Error): string {
  const { code } = fault as NodeJS.ErrnoException;
  if (code === "ENOENT") return "no such file";
  if (code === "EISDIR") return "a folder";
  return code === "EACCES" ? "no permission" : fault.message;
}

/** Refuses to overwrite a file, or the input, before any work is done. */
export async function checkOutput(
  file: string,
  inputs: readonly string[],
  force: boolean,
): Promise<void> {
  for (const input of inputs) {
    if (path.resolve(file) === path.resolve(input)) {
      throw new Failure(`${file}: the output would take the place of the input`);
    }
  }
  if (existsSync(file) && !force) throw new Failure(`${file}: exists; --force writes over it`);
  const folder = path.dirname(path.resolve(file));
  const found = await stat(folder).catch(() => undefined);
  if (!found?.isDirectory()) throw new Failure(`${folder}: no such folder`);
}

/** Writes a file under another name until it is complete. */
export class OutputFile {
  readonly #file: string;
  readonly #temporary: string;
  readonly #handle: FileHandle;

  private constructor(file: string, temporary: string, handle: FileHandle) {
    this.#file = file;
    this.#temporary = temporary;
    this.#handle = handle;
  }

  static async create(file: string): Promise<OutputFile> {
    const temporary = `${file}.${randomBytes(4).toString("hex")}.part`;
    return new OutputFile(file, temporary, await open(temporary, "wx"));
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.#handle.write(bytes, at);
      at += bytesWritten;
    }
  }

  /** Gives the file its name. */
  async commit(): Promise<void> {
    await this.#handle.close();
    await rename(this.#temporary, this.#file);
  }

  async abandon(): Promise<void> {
    await this.#handle.close().catch(() => {});
    await rm(this.#temporary, { force: true });
  }
}

/** Writes files. Either all get their names, or none exists. */
export async function writeWhole(
  files: readonly { readonly file: string; readonly chunks: readonly Uint8Array[] }[],
): Promise<void> {
  const outputs: OutputFile[] = [];
  try {
    for (const { file, chunks } of files) {
      const output = await OutputFile.create(file);
      outputs.push(output);
      for (const chunk of chunks) await output.write(chunk);
    }
    for (const output of outputs) await output.commit();
  } catch (fault) {
    for (const output of outputs) await output.abandon();
    throw fault;
  }
}
