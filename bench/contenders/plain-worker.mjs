import { parentPort } from "node:worker_threads";
import { findCase } from "../cases.mjs";
import { timeCalls } from "../harness.mjs";
import { openRoof } from "../lab/roof/index.mjs";

/**
 * plain.mjs once more for every case: what an engine learns of the types in one case would slow
 * the next (u8 after i8: by half).
 */
let copies = 0;
const freshPlain = () => import(`../plain.mjs?copy=${copies++}`);

/** Where the platform converts by itself, that is plain JavaScript too. */
function platformContender({ op, data }) {
  const { Float16Array } = globalThis;
  if (Float16Array && op === "f32_f16") {
    const out = new Float16Array(data.x.length);
    return { run: () => out.set(data.x), output: () => new Uint16Array(out.buffer) };
  }
  if (Float16Array && op === "f16_f32") {
    const half = new Float16Array(data.half.buffer);
    const out = new Float32Array(half.length);
    return { run: () => out.set(half), output: () => out };
  }
  return null;
}

const { guard } = await openRoof();
let contenders = [];

const answers = {
  open: async ({ op, shape }) => {
    const item = findCase(op, shape);
    const platform = platformContender(item);
    contenders = [{ name: "plain JS", ...item.plain(item.data, await freshPlain()) }];
    if (platform) contenders.push({ name: "Float16Array.set", ...platform });
    return { names: contenders.map(({ name }) => name) };
  },
  time: async ({ index, iterations }) => {
    const before = guard();
    const each = await timeCalls(contenders[index].run, false, iterations);
    return { each, guard: Math.min(before, guard()) };
  },
  output: async ({ index }) => {
    const { run, output } = contenders[index];
    run();
    return output();
  },
};

parentPort.on("message", async (request) => {
  const [[kind, argument]] = Object.entries(request);
  parentPort.postMessage(await answers[kind](argument));
});
parentPort.postMessage("ready");
