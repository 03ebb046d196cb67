// workerd never compiles bytes: the modules come ready, through imports.

import * as bytelane from "bytelane";
import options from "./options.mjs";
import { run } from "./suite.mjs";

const starts = {
  imported: (tier) => bytelane.createBytelane({ tier }),
};

// The clock stands still while JavaScript runs and moves on at I/O.
const now = async () => {
  await scheduler.wait(1);
  return performance.now();
};

export default {
  async test() {
    console.log(JSON.stringify(await run(bytelane, { ...options, starts, now })));
  },
};
