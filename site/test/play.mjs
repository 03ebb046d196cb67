/** What each playground has to do, in any browser: expressions that run in the page. */
import { setTimeout as sleep } from "node:timers/promises";

const LIMIT = 180_000;

/** Waits until an expression is true in the page, and gives its value. */
export async function until(browser, expression, what = expression) {
  const end = Date.now() + LIMIT;
  while (Date.now() < end) {
    const value = await browser.evaluate(expression);
    if (value) return value;
    await sleep(30);
  }
  const seen = await browser.evaluate(`document.querySelector("main")?.innerText.slice(0, 600)`);
  throw new Error(`expected ${what} within ${LIMIT} ms; the page says: ${seen}`);
}

const data = (key) => `document.documentElement.dataset.${key}`;
const set = (selector, value, event = "input") => `(() => {
  const element = document.querySelector(${JSON.stringify(selector)});
  element.value = ${JSON.stringify(value)};
  element.dispatchEvent(new Event("${event}", { bubbles: true }));
  return true;
})()`;
const click = (selector) => `(document.querySelector(${JSON.stringify(selector)}).click(), true)`;
const text = (selector) => `(document.querySelector(${JSON.stringify(selector)})?.innerText ?? "")`;

/** A file that is dropped: the event carries a real File. */
const drop = (name, bytes) => `(() => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([Uint8Array.from(${JSON.stringify([...bytes])})], "${name}"));
  const event = new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: transfer });
  document.querySelector(".play").dispatchEvent(event);
  return true;
})()`;

function npyFile(values, shape) {
  const head = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(", ")}), }`;
  const padded = head.padEnd(Math.ceil((head.length + 11) / 64) * 64 - 11, " ");
  const bytes = new Uint8Array(10 + padded.length + 1 + 4 * values.length);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, padded.length + 1, 0]);
  bytes.set(new TextEncoder().encode(`${padded}\n`), 10);
  bytes.set(new Uint8Array(values.buffer), 10 + padded.length + 1);
  return bytes;
}

const expectThat = (truth, words) => {
  if (!truth) throw new Error(`expected ${words}`);
};

/** Sample, bits, network with plan, files, the file to take away. */
async function calibrate(browser) {
  const figures = {};
  figures.firstInteractionMs = Number(await until(browser, data("firstInteractionMs")));
  const rows = 'document.querySelectorAll(".methods tbody tr").length';
  expectThat((await browser.evaluate(rows)) === 6, "six methods");
  const eight = await browser.evaluate(text(".methods tr.best td:last-child"));
  const times = [];
  for (const bits of [7, 6, 5, 4, 3, 4]) {
    await browser.evaluate(`delete document.documentElement.dataset.calibrateMs, true`);
    await browser.evaluate(set(".sliders input[type=range]", bits));
    times.push(Number(await until(browser, data("calibrateMs"))));
  }
  figures.calibrateMs = times.toSorted((a, b) => a - b)[times.length >> 1];
  const four = await browser.evaluate(text(".methods tr.best td:last-child"));
  expectThat(parseFloat(four) < parseFloat(eight) - 6, `${four} far below ${eight}`);

  await browser.evaluate(set(".play select", "network", "change"));
  await until(browser, `${data("calibrated")} === "6" && document.querySelector(".planned")`);
  const sparks = 'document.querySelectorAll(".tensors svg").length';
  expectThat((await browser.evaluate(sparks)) === 6, "a sparkline per layer");
  const before = await browser.evaluate(text(".planned"));
  const least = '(document.querySelector(".wide input").min)';
  await browser.evaluate(set(".wide input", await browser.evaluate(least)));
  const after = `document.querySelector(".planned").innerText !== ${JSON.stringify(before)}`;
  await until(browser, after, "another plan for another budget");

  const values = Float32Array.from({ length: 4096 }, (_, i) => Math.sin(i) * 3);
  const files = [
    ["wave.npy", npyFile(values, [64, 64])],
    ["table.csv", new TextEncoder().encode("a,b\n1,-2\n0.5,4\n-8,0.25\n")],
  ];
  for (const [name, bytes] of files) {
    await browser.evaluate(drop(name, bytes));
    const opened = `${text(".status")}.startsWith("1 tensor") && ${rows} === 6`;
    await until(browser, opened, `${name} to be read`);
  }
  await browser.evaluate(drop("wave.npy", files[0][1]));
  await until(browser, 'document.querySelector(".planned")?.innerText.includes("wave.npy")');
  await browser.evaluate(click(".play .row:last-child button"));
  const taken = Number(await until(browser, data("taken")));
  expectThat(taken > 4096 && taken < 8192, `a file of 8 bits per value, got ${taken} bytes`);
  await browser.evaluate(drop("page.txt", [1, 2, 3]));
  await until(browser, `${text(".failure")}.includes("expected .npy")`, "a refusal in words");
  await browser.evaluate(set(".play select", "activations", "change"));
  await until(browser, `${text(".planned")}.includes("ReLU") && ${data("calibrated")} === "1"`);
  return figures;
}

/** Queries as they are typed, recall by bits and oversampling. */
async function search(browser) {
  const figures = {};
  figures.firstInteractionMs = Number(await until(browser, data("firstInteractionMs")));
  await until(browser, data("recall"));
  figures.searchMs = Number(await browser.evaluate(data("searchMs")));
  figures.recall = Number(await browser.evaluate(data("recall")));
  expectThat(figures.recall > 0.97, `recall above 0.97, got ${figures.recall}`);
  await browser.evaluate(set(".query", "a large musical instrument with black and white keys"));
  const keys =
    '/piano|organ|keyboard|clavier|harpsichord/i.test(document.querySelector(".found")?.innerText)';
  await until(browser, keys, "an instrument with keys among the results");
  await browser.evaluate(`delete document.documentElement.dataset.recall, true`);
  await browser.evaluate(click('.sliders input[type=radio][value="1"]'));
  const one = Number(await until(browser, data("recall")));
  expectThat(one < figures.recall, "fewer bits to find less at the same oversampling");
  await browser.evaluate(click('.sliders input[type=radio][value="4"]'));
  return figures;
}

/** Moves of a pointer over the sheet: places from its middle and top, in parts of its height. */
const strokes = (lines) => `(() => {
  const sheet = document.querySelector(".sheet");
  const { left, top, width, height } = sheet.getBoundingClientRect();
  const fire = (type, x, y) => sheet.dispatchEvent(new PointerEvent(type, {
    bubbles: true, clientX: left + width / 2 + x * height, clientY: top + y * height,
  }));
  for (const [x0, y0, x1, y1] of ${JSON.stringify(lines)}) {
    fire("pointerdown", x0, y0);
    fire("pointermove", x1, y1);
    fire("pointerup", x1, y1);
  }
  return true;
})()`;

/** The letters H and L. */
const WRITTEN = [
  [-0.5, 0.2, -0.5, 0.8],
  [-0.5, 0.5, -0.1, 0.5],
  [-0.1, 0.2, -0.1, 0.8],
  [0.1, 0.2, 0.1, 0.8],
  [0.1, 0.8, 0.4, 0.8],
];
const CELLS = `[...document.querySelectorAll(".readings tbody tr")]
  .map((row) => parseFloat(row.cells[2].innerText))`;

/** A line that is typed and one that is written, in 8 bits and in float. */
async function read(browser) {
  const figures = {};
  figures.firstInteractionMs = Number(await until(browser, data("firstInteractionMs")));
  const readsAs = async (expected) => {
    for (const format of ["Int8", "F32"]) {
      const found = `(${data(`read${format}`)} ?? "…").replaceAll(" ", "")`;
      const wanted = `${found} === ${JSON.stringify(expected.replaceAll(" ", ""))}`;
      await until(browser, wanted, `${format} to read ${expected}`);
    }
  };
  for (const line of ["Read 2048 numbers", "x >> 6 is a shift, 50 %"]) {
    await browser.evaluate(set(".query", line));
    await readsAs(line);
  }
  const sure = await browser.evaluate(CELLS);
  expectThat(sure.length === 2 && Math.min(...sure) > 80, `confidence above 80 %, got ${sure}`);
  await browser.evaluate(click(".play button"));
  await readsAs("");
  await browser.evaluate(strokes(WRITTEN));
  await readsAs("HL");
  await browser.evaluate(set(".query", "Read 2048 numbers"));
  await readsAs("Read 2048 numbers");
  await browser.evaluate(click(".play .row button:last-child"));
  figures.readFloatMs = Number(await until(browser, data("f32Ms")));
  figures.readInt8Ms = Number(await browser.evaluate(data("int8Ms")));
  return figures;
}

/** Tiers, conformance, the bars and the link. */
async function machine(browser) {
  const figures = {};
  figures.firstInteractionMs = Number(await until(browser, data("firstInteractionMs")));
  expectThat((await until(browser, data("conformed"))) === "true", "conformance on every tier");
  await browser.evaluate(click(".play button"));
  figures.benchMs = Number(await until(browser, data("benchMs")));
  const bars = await browser.evaluate('document.querySelectorAll(".bar").length');
  expectThat(bars >= 4, `bars for plain JavaScript and a tier, got ${bars}`);
  const link = await browser.evaluate('document.querySelector(".hint a").href');
  expectThat(link.includes("#r="), "a link that holds the result");
  return { ...figures, link };
}

export const PLAYS = { calibrate, search, read, machine };
