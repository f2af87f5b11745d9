// A stock Alpine does what a page says: the text is read from the page as it is seen, and run in a root.

import { spawnSync } from "node:child_process";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { expect, open, signIn } from "./world.mjs";

const root = process.env.TARN_ALPINE_ROOT;

/** Runs a text as root of that Alpine. */
function run(text) {
  const [program, ...before] = process.getuid() === 0 ? ["chroot"] : ["unshare", "--map-root-user", "chroot"];
  const ended = spawnSync(program, [...before, root, "/bin/sh", "-ec", text], {
    encoding: "utf8", timeout: 60_000, env: { HOME: "/root", PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
  });
  expect(ended.status === 0, `${text}\n${ended.stdout}${ended.stderr}`);
  return ended.stdout;
}

/** What an Alpine is before anybody set it up: no line, and none of this server's keys. */
async function fresh() {
  await writeFile(`${root}/etc/apk/repositories`, "");
  for (const key of await readdir(`${root}/etc/apk/keys`)) {
    if (!key.startsWith("alpine-")) await rm(`${root}/etc/apk/keys/${key}`);
  }
}

/** The texts to be copied in one tab of a page, as they are seen. */
async function shown(page, tab) {
  await page.getByRole("group", { name: "How to use it" }).getByText(tab, { exact: true }).click();
  const section = page.getByRole("region", { name: tab, exact: true });
  for (const closed of await section.locator("details:not([open]) > summary").all()) await closed.click();
  return section.locator(".copy pre").allInnerTexts();
}

export async function startsOnAStockAlpine() {
  const page = await open();
  await page.goto("/acme/v3.23/main");
  const [oneLine, steps] = await shown(page, "Alpine");
  const [v3] = await shown(page, "apk 3");
  await page.goto("/acme/v3.23/main/acme-agent");
  const add = await page.locator(".copy pre").first().innerText();
  for (const text of [oneLine, steps, v3]) {
    await fresh();
    run(text);
    // Once more changes nothing for the worse.
    if (text === oneLine) run(text);
    run(add.replace("apk add", "apk add --no-interactive"));
    const installed = await readFile(`${root}/usr/share/tarn/acme-agent`, "utf8");
    expect(installed === "2.4.1-r0", `installed: ${installed}`);
    run("apk del --no-interactive acme-agent");
  }

  // Of a private repository the page says the same with credentials, which are a token of a reader.
  await signIn(page, "reader", "/-/settings/tokens");
  await page.getByLabel("Name", { exact: true }).fill("apk");
  await page.getByLabel(/^read:package/).check();
  await page.getByRole("button", { name: "Add the token" }).click();
  const token = (await page.locator("#token").innerText()).trim();
  await page.goto("/vault/edge/main");
  const [secret] = await shown(page, "Alpine");
  expect(secret.includes("USER:TOKEN"), secret);
  await fresh();
  run(secret.replace("USER:TOKEN", `reader:${token}`));
  run("apk add --no-interactive vaulted");
  await fresh();
  await page.context().close();
}
