// The pages in a real browser. Run by tests/e2e/browser.rs: node main.mjs BASE PASSWORD FOLDER PART, where FOLDER has packages, and the
// server is empty in the part `first`, and has what people publish in the part `then`.

import { startsOnAStockAlpine } from "./alpine.mjs";
import { hostileMetadata } from "./hostile.mjs";
import { everyPage, fill, screenshots } from "./pages.mjs";
import { deleteAndRestore, filters, firstRun, keyboard, publishByKeyboard, secondFactor, token, withoutScripts } from "./people.mjs";
import { eachRole } from "./roles.mjs";
import { part, problems, start, stop } from "./world.mjs";

const pictures = process.env.TARN_SCREENSHOTS;
// Pictures need what the pages show, and nothing that is looked for on them.
const parts = {
  first: [firstRun, publishByKeyboard],
  then: [secondFactor, token, deleteAndRestore, keyboard, withoutScripts, filters, fill, roles, everyPage, hostileMetadata],
  pictures: [fill, () => screenshots(pictures)],
};

/** They share nothing. */
async function roles() {
  await Promise.all([eachRole(), startsOnAStockAlpine()].map(async (test, number) => {
    const began = Date.now();
    await test;
    console.error(`  ${["eachRole", "startsOnAStockAlpine"][number]}: ${((Date.now() - began) / 1000).toFixed(1)} s`);
  }));
}

await start();
try {
  for (const test of parts[part]) {
    const began = Date.now();
    try {
      await test();
    } catch (error) {
      problems.push(`${test.name}: ${error.stack}`);
    }
    console.error(`${test.name || "screenshots"}: ${((Date.now() - began) / 1000).toFixed(1)} s, ${problems.length} problems so far`);
  }
} finally {
  await stop();
}
if (problems.length > 0) {
  console.error([...new Set(problems)].join("\n\n"));
  process.exit(1);
}
console.log("done");
