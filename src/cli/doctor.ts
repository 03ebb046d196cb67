/** bytelane doctor: reports the runtime and the build, and checks results. */
import type { Bytelane } from "../core/instance.ts";
import { Failure } from "./failure.ts";
import { json, table } from "./output.ts";

/** The exports of the published files that are used. */
interface Library {
  createBytelane(): Promise<Bytelane>;
}
interface Conformance {
  conformance(instance: Bytelane): { readonly passed: boolean };
}

export async function examine(
  instance: Bytelane,
  flags: { readonly json?: boolean; readonly conformance: boolean },
): Promise<void> {
  const { tier, reason, probed } = instance.report();
  const versions = Object.entries(process.versions).filter(([name]) =>
    ["node", "bun", "deno", "v8"].includes(name),
  );
  const runtime = Object.fromEntries(versions);
  const platform = `${process.platform} ${process.arch}`;
  const conformance = flags.conformance ? await conform() : undefined;
  if (flags.json) console.log(json({ runtime, platform, tier, reason, probed, conformance }));
  else {
    const rows = [
      ["", ""],
      ...versions.map(([name, value]) => [name, value ?? ""]),
      ["platform", platform],
      ["tier", `${tier}: ${reason}`],
      ...probed.map(({ tier, result }) => [`probed ${tier}`, result]),
      ["conformance", conformance === undefined ? "not run" : String(conformance)],
    ];
    console.log(table(rows).trim());
  }
  if (conformance === false) throw new Failure("results differ from the published ones");
}

/** The published vectors, run by the files beside this one. */
async function conform(): Promise<boolean> {
  const beside = (file: string): string => new URL(`./${file}`, import.meta.url).href;
  const { createBytelane } = (await import(beside("index.js"))) as Library;
  const { conformance } = (await import(beside("conformance.js"))) as Conformance;
  const instance = await createBytelane();
  try {
    return conformance(instance).passed;
  } finally {
    instance.dispose();
  }
}
