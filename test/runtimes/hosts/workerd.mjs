// workerd never compiles bytes: the modules come ready, through imports.

import * as load from "bytelane/load";
import * as module from "bytelane/module";
import relaxed from "bytelane/wasm/bytelane.relaxed.wasm";
import simd from "bytelane/wasm/bytelane.simd.wasm";
import * as bytelane from "./library.mjs";
import { checkPools } from "./pooled.mjs";
import { run, tiersHere } from "./suite.mjs";

const starts = {
  imported: (tier) => bytelane.createBytelane({ tier }),
  sync: (tier) => bytelane.createBytelaneSync({ tier }),
  loaded: (tier) => load.createBytelane({ simd, relaxed, tier }),
  module: (tier) => module.createBytelane({ tier }),
};

// The clock stands still while JavaScript runs and moves on at I/O.
const now = async () => {
  await scheduler.wait(1);
  return performance.now();
};

export default {
  async test() {
    const result = await run(bytelane, { starts, now });
    const pools = tiersHere().map((tier) => ({
      ...{ tier, name: "none", refused: true },
      open: () => bytelane.createBytelane({ tier, workers: { size: 1, minimumWork: 0 } }),
    }));
    result.pools = await checkPools(bytelane, pools);
    console.log(JSON.stringify(result));
  },
};
