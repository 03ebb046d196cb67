/** What every command line of the project does alike: options, help, errors, figures. */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";

/** Faults of whoever calls a command. Their message is enough; others show where they arose. */
function isUsage(fault) {
  if (/^(ERR_PARSE_ARGS|ENOENT)/.test(fault?.code ?? "")) return true;
  return fault instanceof Error && /^"[^"]+" expected /.test(fault.message);
}

/**
 * Runs a command: reads its options, answers `--help`, and says in one line what was wrong with the
 * arguments. Every command takes `--json FILE`.
 *
 * @param {{ help: string, options?: import("node:util").ParseArgsConfig["options"],
 *   positionals?: boolean }} command
 * @param {(values: any, positionals: string[]) => unknown} main
 */
export async function runCommand({ help, options = {}, positionals = false }, main) {
  try {
    const { values, positionals: given } = parseArgs({
      options: {
        json: { type: "string" },
        ...options,
        help: { type: "boolean", short: "h", default: false },
      },
      allowPositionals: positionals,
    });
    if (values.help) console.log(help.trim());
    else await main(values, given);
  } catch (fault) {
    console.error(isUsage(fault) ? fault.message : (fault?.stack ?? fault));
    process.exitCode = 1;
  }
}

/** An option that is an integer in [least, most]. */
export function integerOption(name, text, least, most) {
  const value = Number(text);
  if (text.trim() !== "" && Number.isInteger(value) && value >= least && value <= most) {
    return value;
  }
  throw new RangeError(`"--${name}" expected an integer in [${least}, ${most}], got ${text}`);
}

/**
 * Writes what a command found, where `--json` says so: an object whose `figures` are numbers by
 * name. What does not fit a flat object stands beside them.
 */
export function writeJson(file, content) {
  if (file === undefined) return;
  mkdirSync(path.dirname(path.resolve(file)), { recursive: true });
  writeFileSync(file, `${JSON.stringify(content, null, 1)}\n`);
}

/** Writes a file of text, with its folder. */
export function writeText(file, text) {
  mkdirSync(path.dirname(path.resolve(file)), { recursive: true });
  writeFileSync(file, text);
}
