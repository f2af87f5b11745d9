// Each page once as each kind of viewer.

import { readFile } from "node:fs/promises";
import { open, problems, signIn } from "./world.mjs";

/**
 * What anonymous, reader, writer and admin of the private organisation `vault` get, and an administrator of the server. 303 is the form
 * to sign in. The test web_access of tarn-http reads the same table.
 */
const STATUSES = JSON.parse(await readFile(new URL("roles.json", import.meta.url), "utf8"));

async function asRole(name, column) {
  const page = await open();
  if (name) await signIn(page, name);
  for (const [path, statuses] of Object.entries(STATUSES)) {
    const expected = statuses[column];
    // What is not shown, or is no page, needs no page of the browser.
    const answer = expected !== 200 || path.endsWith("/export") || path.endsWith(".atom")
      ? await page.context().request.get(path, { headers: { Accept: "text/html" }, maxRedirects: 0 })
      : await page.goto(path, { waitUntil: "commit" });
    const status = answer.status();
    const isIt = expected !== 200 || new URL(answer.url()).pathname === path;
    if (status !== expected || !isIt) problems.push(`${path} as ${name}: ${status} at ${answer.url()}, not ${expected}`);
  }
  await page.context().close();
}

export async function eachRole() {
  const viewers = [null, "reader", "writer", "keeper", "root"];
  await Promise.all(viewers.map(asRole));
}
