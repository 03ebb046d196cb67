import { fileURLToPath } from "node:url";
import { selectCases } from "./cases.mjs";
import { runBench } from "./command.mjs";
import { BYTELANE_START, openBytelane } from "./contenders/bytelane.mjs";

await runBench(fileURLToPath(import.meta.url), {
  name: "bench",
  about: "Every kernel of Bytelane against plain JavaScript.",
  cases: selectCases,
  open: async (plain) => {
    const contendBytelane = await openBytelane();
    return async (item) => [...(await plain.contend(item)), ...contendBytelane(item)];
  },
  starters: [BYTELANE_START],
});
