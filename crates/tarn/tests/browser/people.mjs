// What people do with the pages: from the first sign-in to a published package, by mouse, by keyboard, and without scripts.

import { readFile } from "node:fs/promises";
import { accessibleInBoth, base, code, expect, folder, lookAtAnswer, open, password, signIn } from "./world.mjs";

/** Keeps what the page says of the progress of uploads, which is gone with the page. */
async function keepProgress(page) {
  await page.addInitScript(() => {
    globalThis.said = new Set();
    new MutationObserver(() => {
      for (const line of document.querySelectorAll("[role=status] div")) globalThis.said.add(line.textContent);
    }).observe(document, { childList: true, subtree: true, characterData: true });
  });
}

/** From an empty server to a package that apk can fetch, as its first page says, by mouse. */
export async function firstRun() {
  const page = await open();
  await keepProgress(page);
  await page.goto("/");
  const first = page.locator(".panel", { has: page.getByRole("heading", { name: "What to do first" }) });
  await first.getByRole("link", { name: "Sign in" }).click();
  await page.getByLabel("Name", { exact: true }).click();
  await page.keyboard.type("admin");
  await page.getByLabel("Password", { exact: true }).click();
  await page.keyboard.type(password);
  await page.getByRole("main").getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("navigation", { name: "Account" }).getByRole("link", { name: "admin", exact: true }).waitFor();
  await first.getByRole("link", { name: "upload it with this browser" }).click();
  const choose = async (...names) => {
    const asked = page.waitForEvent("filechooser");
    await page.getByLabel("Package files").click();
    await (await asked).setFiles(names.map((name) => `${folder}/${name}-1.0-r0.apk`));
  };
  await page.getByLabel("Branch").click();
  await page.keyboard.type("v3.23");
  await page.getByLabel("Repository").click();
  await page.keyboard.type("main");
  await choose("hello", "world");
  await page.getByRole("button", { name: "Upload" }).click();
  await page.waitForURL("**/admin/v3.23/main");
  const list = page.locator("#package-list");
  for (const name of ["hello", "world"]) await list.getByRole("link", { name, exact: true }).waitFor();
  const index = await page.context().request.get("/api/packages/admin/alpine/v3.23/main/x86_64/APKINDEX.tar.gz");
  expect(index.status() === 200, `the index: ${index.status()}`);
  // The progress of each file is said, and what is refused in the server's words.
  await page.getByRole("link", { name: "Upload packages" }).click();
  await choose("fourth", "hello");
  await page.getByRole("button", { name: "Upload" }).click();
  const status = page.getByRole("status");
  await status.getByText(/^hello-1\.0-r0\.apk: package file already exists/i).waitFor();
  await status.getByText("fourth-1.0-r0.apk: fourth-1.0-r0.apk (x86_64) is published.").waitFor();
  const said = await page.evaluate(() => [...globalThis.said]);
  for (const line of ["fourth-1.0-r0.apk: 0 %", "fourth-1.0-r0.apk: 100 %", "hello-1.0-r0.apk: 100 %"]) {
    expect(said.includes(line), `never said: ${line}; but ${said}`);
  }
  await accessibleInBoth(page, "uploads and how they went");
  // The same by dropping a file on the form.
  await page.goto("/-/upload/admin?branch=v3.23&repository=main");
  const dropped = await page.evaluateHandle(() => {
    const transfer = new DataTransfer();
    transfer.items.add(new File(["no package"], "dropped.apk"));
    return transfer;
  });
  await page.dispatchEvent("form.upload", "drop", { dataTransfer: dropped });
  await page.getByRole("button", { name: "Upload" }).click();
  await status.locator(".note.bad").getByText(/^dropped\.apk: /).waitFor();
  await page.context().close();
}

/** Whether what has the focus has a name that begins so. */
const hasFocus = (page, label) => page.evaluate((label) => {
  const at = document.activeElement;
  const name = at.labels?.[0]?.textContent || at.getAttribute("aria-label") || at.textContent;
  return name.trim().startsWith(label);
}, label);

/** Presses Tab until that has the focus, and the focus can be seen. */
async function tabTo(page, label) {
  for (let presses = 0; presses < 60; presses += 1) {
    if (await hasFocus(page, label)) {
      const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
      expect(outline !== "none", `${label} shows no focus`);
      return;
    }
    await page.keyboard.press("Tab");
  }
  throw new Error(`no way by Tab to ${label} on ${page.url()}`);
}

/** Presses Enter on the link or button of that name, and waits for the page behind it. */
async function follow(page, label, url) {
  await tabTo(page, label);
  await page.keyboard.press("Enter");
  await page.waitForURL(url);
}

async function signInByKeyboard(page) {
  await page.goto("/");
  await page.keyboard.press("Tab");
  expect(await hasFocus(page, "Skip to content"), "the first stop is the link past the header");
  await follow(page, "Sign in", "**/-/login**");
  expect(await hasFocus(page, "Name"), "the name has the focus");
  await page.keyboard.type("admin");
  await page.keyboard.press("Tab");
  await page.keyboard.type(password);
  await page.keyboard.press("Enter");
  await page.waitForURL((url) => url.pathname === "/");
}

/** Signs in and publishes a package, by keyboard only. */
export async function publishByKeyboard() {
  const page = await open();
  await signInByKeyboard(page);
  await follow(page, "admin", "**/admin");
  await follow(page, "Upload packages", "**/-/upload/admin");
  await tabTo(page, "Branch");
  await page.keyboard.type("v3.23");
  await tabTo(page, "Repository");
  await page.keyboard.type("typed");
  await tabTo(page, "Package files");
  // On a busy machine Chromium now and then opens none for the first key.
  let chooser = null;
  for (let key = 0; key < 4 && !chooser; key += 1) {
    const asked = page.waitForEvent("filechooser", { timeout: 5_000 }).catch(() => null);
    await page.keyboard.press("Enter");
    chooser = await asked;
  }
  await chooser.setFiles(`${folder}/third-1.0-r0.apk`);
  await follow(page, "Upload", "**/admin/v3.23/typed");
  await follow(page, "third", "**/admin/v3.23/typed/third");
  await page.getByText("apk add third=1.0-r0").waitFor();
  await page.context().close();
}

/** A list follows its filters, and the page stays where it is. */
export async function filters() {
  const page = await open();
  await page.goto("/acme/v3.23/main");
  await page.evaluate(() => { globalThis.stayed = true; });
  const rows = page.locator("#package-list tbody tr");
  const all = await rows.count();
  const becomes = (count, why) => page.waitForFunction(
    (count) => document.querySelectorAll("#package-list tbody tr").length === count, count,
  ).catch(() => { throw new Error(`${why}: not ${count} packages`); });
  await page.getByLabel("Name contains").fill("LIBACME");
  await becomes(2, "by name");
  await page.getByRole("status").getByText("2 shown").waitFor({ state: "attached" });
  await page.getByLabel("Name contains").fill("");
  await becomes(all, "without a filter");
  await page.getByLabel("Architecture").selectOption("noarch");
  await becomes(1, "by architecture");
  expect(page.url().endsWith("?arch=noarch"), page.url());
  expect(await page.evaluate(() => globalThis.stayed), "the page was left");
  await page.context().close();
}

/** Turns the second factor on, signs in with it, and turns it off. */
export async function secondFactor() {
  const page = await open();
  await signIn(page, "admin", "/-/settings/second-factor");
  await page.getByRole("button", { name: "Set up a second factor" }).click();
  await page.getByRole("img", { name: /QR code/ }).waitFor();
  await accessibleInBoth(page, "second factor: the QR code");
  await page.getByText("Type it instead").click();
  const secret = (await page.locator("#secret").innerText()).replaceAll(" ", "");
  await page.getByRole("textbox", { name: "Code" }).fill(code(secret));
  await page.getByRole("button", { name: "Turn it on" }).click();
  const recovery = (await page.locator("#recovery-codes").innerText()).trim().split("\n");
  expect(recovery.length === 10, `${recovery.length} recovery codes`);
  await accessibleInBoth(page, "second factor: the recovery codes");
  await page.getByRole("button", { name: "Sign out" }).click();
  await signIn(page, "admin", "/-/settings/second-factor");
  await page.getByRole("heading", { name: "Type the code" }).waitFor();
  await accessibleInBoth(page, "sign in: code");
  // Each code is taken once, so this is the next one.
  await page.getByRole("textbox", { name: "Code" }).fill(code(secret, 1));
  await page.getByRole("main").getByRole("button", { name: "Sign in" }).click();
  await page.getByText("recovery codes left").waitFor();
  await page.getByLabel("Code or recovery code").fill(recovery[0]);
  await page.getByRole("button", { name: "Turn the second factor off" }).click();
  await page.getByText("The second factor is off.").waitFor();
  await page.context().close();
}

/** Makes a token, and publishes with what the page shows. */
export async function token() {
  const page = await open();
  await signIn(page, "admin", "/-/settings/tokens");
  await page.getByLabel("Name", { exact: true }).fill("ci");
  await page.getByLabel(/^write:package/).check();
  await page.getByLabel("Expires after").fill("30");
  await page.getByRole("button", { name: "Add the token" }).click();
  const shown = await page.locator("#token").innerText();
  await accessibleInBoth(page, "tokens: a new one");
  const body = await readFile(`${folder}/third-1.0-r0.apk`);
  const answer = await fetch(`${base}/api/packages/admin/alpine/edge/main`, {
    method: "PUT", body, headers: { Authorization: `Bearer ${shown.trim()}` },
  });
  expect(answer.status === 201, `published with the token: ${answer.status}`);
  await page.reload().catch(() => {});
  await page.goto("/-/settings/tokens");
  await page.getByRole("button", { name: "Revoke ci" }).click();
  await page.getByText("The token ci is revoked.").waitFor();
  await page.context().close();
}

/** Deletes a package, restores it, and rotates the key. */
export async function deleteAndRestore() {
  const page = await open();
  const file = "/api/packages/admin/alpine/v3.23/main/x86_64/hello-1.0-r0.apk";
  await signIn(page, "admin", "/-/delete/admin/v3.23/main/x86_64/hello-1.0-r0.apk");
  await page.getByRole("button", { name: "Delete the package" }).click();
  await page.getByText("hello-1.0-r0.apk is deleted.").waitFor();
  expect((await page.context().request.get(file)).status() === 404, "it is deleted");
  await accessibleInBoth(page, "deleted packages");
  await page.getByRole("button", { name: /Restore hello 1.0-r0/ }).click();
  await page.getByText("hello 1.0-r0 is restored.").waitFor();
  expect((await page.context().request.get(file)).status() === 200, "it is restored");
  await page.getByRole("link", { name: "Signing keys" }).click();
  await page.getByRole("button", { name: "Add a new key" }).click();
  await page.getByText("signs from now on").waitFor();
  await page.getByRole("button", { name: /^Retire/ }).last().click();
  await page.getByText("The key is retired.").waitFor();
  await page.context().close();
}

/** By keyboard only: signs in, makes an organisation, signs out. */
export async function keyboard() {
  const page = await open();
  await signInByKeyboard(page);
  await follow(page, "Administration", "**/-/admin");
  await follow(page, "Organisations", "**/-/admin/organisations");
  // A refusal has the focus, and the field behind it what was typed.
  await tabTo(page, "Name");
  await page.keyboard.type("acme");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").waitFor();
  expect(await page.evaluate(() => document.activeElement.getAttribute("role") === "alert"), "the refusal has the focus");
  await tabTo(page, "Name");
  expect(await page.evaluate(() => document.activeElement.value === "acme"), "what was typed is still there");
  await page.keyboard.press("Control+A");
  await page.keyboard.type("keys-only");
  await page.keyboard.press("Enter");
  await page.getByText("keys-only is added.").waitFor();
  await tabTo(page, "Sign out");
  await page.keyboard.press("Enter");
  await page.getByText("You are signed out.").waitFor();
  await page.context().close();
}

/** The same without scripts: sign in, upload, make a token. */
export async function withoutScripts() {
  const page = await open({ javaScriptEnabled: false });
  await signIn(page, "admin", "/-/upload/admin?branch=edge&repository=testing");
  await page.getByLabel("Package files").setInputFiles(`${folder}/hello-1.0-r0.apk`);
  await page.getByRole("button", { name: "Upload" }).click();
  await page.waitForURL("**/admin/edge/testing");
  await page.goto("/-/settings/tokens");
  await page.getByLabel("Name", { exact: true }).fill("without scripts");
  await page.getByLabel(/^read:package/).check();
  await page.getByRole("button", { name: "Add the token" }).click();
  await page.locator("#token").waitFor();
  await page.getByRole("link", { name: "Sessions" }).click();
  await page.getByRole("button", { name: "End all other sessions" }).click();
  await page.getByText(/ended|no other session/).waitFor();
  await page.context().close();
  // How uploads went, on a page of its own: the form goes out past the script, so that axe, which is one, can look at the answer.
  const scripted = await open();
  await signIn(scripted, "admin", "/-/upload/admin?branch=edge&repository=testing");
  await scripted.getByLabel("Package files").setInputFiles(["hello", "world"].map((name) => `${folder}/${name}-1.0-r0.apk`));
  await lookAtAnswer(scripted, "uploads and how they went, without scripts", () => scripted.evaluate(() => document.forms[document.forms.length - 1].submit()));
  for (const note of [".note.bad", ".note.ok"]) await scripted.locator(note).waitFor();
  await scripted.context().close();
}
