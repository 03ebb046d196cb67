// Node, Deno and Bun: the same file in all three. The first argument is the options as JSON.

import * as bytelane from "bytelane";
import { run } from "./suite.mjs";

const starts = {
  inlined: (tier) => bytelane.createBytelane({ tier }),
  sync: (tier) => bytelane.createBytelaneSync({ tier }),
};

const result = await run(bytelane, { ...JSON.parse(process.argv[2]), starts });
process.stdout.write(`${JSON.stringify(result)}\n`);
