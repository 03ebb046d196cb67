// How a place says what came out. It imports nothing, so that a package which cannot even be loaded
// is still reported: engines differ in what they tell a page about a module that failed.

export const post = (place, result) =>
  fetch(`./result?place=${place}`, { method: "POST", body: JSON.stringify(result) });

export async function attempt(place, work) {
  try {
    await work(await import("./browser.mjs"));
  } catch (error) {
    await post(place, { failure: `${error}\n${error?.stack ?? ""}` });
  }
}
