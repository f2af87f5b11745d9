// A package that means harm with everything it says: it stays text, on every page that shows it.

import { accessible, expect, folder, HOSTILE, open, problems, signIn } from "./world.mjs";
import { readdir } from "node:fs/promises";

const REPOSITORY = "/admin/hostile/main";

/** Pages that show the package, its owner, what was done with it, and what a visitor of that kind typed. */
const SHOWN = [
  "/", "/?q=evil", `/?q=${encodeURIComponent(HOSTILE)}`, "/admin", REPOSITORY, `${REPOSITORY}/evil`,
  `${REPOSITORY}/evil/1.0-r0/x86_64`, `${REPOSITORY}/evil/1.0-r0/x86_64/contents`,
  `${REPOSITORY}/evil-three`, `${REPOSITORY}/evil-three/1.0-r0/x86_64/contents`, "/api/packages/admin/alpine/hostile/main/x86_64/",
  `${REPOSITORY}?name=${encodeURIComponent(HOSTILE)}&origin=${encodeURIComponent(HOSTILE)}`,
  `${REPOSITORY}/${encodeURIComponent(HOSTILE)}`,
  "/-/upload/admin?branch=%3Cscript%3E&repository=%22%3E%3Cimg%20src%3Dx%3E",
  "/-/delete/admin/hostile/main/x86_64/evil-1.0-r0.apk", "/-/settings/sessions", "/-/settings/tokens",
  "/-/owners/admin/deleted", "/-/owners/admin/audit", `/-/owners/admin/audit?action=${encodeURIComponent(HOSTILE)}`,
  "/-/owners/admin/expiry?preview=yes", "/-/owners/admin/webhooks", "/-/admin/audit", "/admin/-/feed.atom",
];

/** What is on a page of a package if nothing was left out. */
const SAID = {
  [`${REPOSITORY}/evil`]: ["so:[evil]:x", "cmd:[evil]", "[evil]:/replaced<1", "[evil]:/if>1", `/usr/*"><script>ran=1</script>`, "javascript:ran=1"],
  [`${REPOSITORY}/evil-three`]: [...["depends", "provides", "replaces", "install-if", "recommends", "tags"].map((field) => `[evil]:/${field}`),
    `/usr/*"><script>ran=1</script>`, "javascript:ran=1"],
  [`${REPOSITORY}/evil/1.0-r0/x86_64/contents`]: [`→ ${HOSTILE}`, `# ${HOSTILE}`, `usr/${HOSTILE.replaceAll("/", "")}`],
  [`${REPOSITORY}/evil-three/1.0-r0/x86_64/contents`]: [`→ ${HOSTILE}`, `# ${HOSTILE}`, `usr/${HOSTILE.replaceAll("/", "")}`],
};

/** Nothing on the page is there that the template has not put there. */
async function isHarmless(page, path) {
  const found = await page.evaluate(() => ({
    ran: globalThis.ran,
    violations: globalThis.violations ?? [],
    strange: document.querySelectorAll("img, iframe, object, embed, base, style, link[rel=stylesheet] ~ link[rel=stylesheet], main script, [onerror], [onload], [onclick]").length,
    links: [...document.querySelectorAll("a[href]")].map((link) => link.protocol).filter((protocol) => !["http:", "https:"].includes(protocol)),
  }));
  if (found.ran) problems.push(`${path}: a script of the package ran`);
  if (found.strange > 0) problems.push(`${path}: ${found.strange} elements of the package`);
  if (found.links.length > 0) problems.push(`${path}: links to ${found.links}`);
  for (const violation of found.violations) problems.push(`${path}: CSP: ${violation}`);
}

export async function hostileMetadata() {
  const page = await open({ userAgent: `Mozilla/5.0 ${HOSTILE}` });
  page.on("dialog", (dialog) => {
    problems.push(`${page.url()}: a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  await page.addInitScript(() => {
    globalThis.violations = [];
    document.addEventListener("securitypolicyviolation", (event) => {
      globalThis.violations.push(`${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  await signIn(page, "admin", "/-/upload/admin?branch=hostile&repository=main");
  const files = (await readdir(`${folder}/hostile`)).map((name) => `${folder}/hostile/${name}`);
  await page.getByLabel("Package files").setInputFiles(files);
  await page.getByRole("button", { name: "Upload" }).click();
  await page.waitForURL(`**${REPOSITORY}`).catch(async () => { throw new Error(await page.getByRole("status").innerText()); });
  // The name of a file that is refused is on the page, too: by the script, and without it.
  await page.goto("/-/upload/admin?branch=hostile&repository=main");
  await page.getByLabel("Package files").setInputFiles([...files, `${folder}/refused-1.0-r0.apk`]);
  await page.getByRole("button", { name: "Upload" }).click();
  await page.getByText(/already exists/i).first().waitFor();
  await page.getByText(/^refused-1\.0-r0\.apk: .*replaces/).waitFor();
  await isHarmless(page, "a refused upload");
  // A deleted one is on the pages about deleted ones.
  await page.goto("/-/delete/admin/hostile/main/x86_64/evil-too-1.0-r0.apk");
  await page.getByRole("button", { name: "Delete the package" }).click();
  await page.goto("/-/settings/tokens");
  await page.getByLabel("Name", { exact: true }).fill(HOSTILE.slice(0, 64));
  await page.getByLabel(/^read:package/).check();
  await page.getByRole("button", { name: "Add the token" }).click();
  await page.locator("#token").waitFor();
  await isHarmless(page, "a new token");
  await page.goto("/-/owners/admin/webhooks");
  await page.getByLabel("URL").fill(`https://hooks.example/?${HOSTILE}`);
  await page.getByRole("button", { name: "Add the webhook" }).click();
  await isHarmless(page, "a webhook");
  await page.goto("/-/owners/admin/expiry");
  await page.getByLabel("Repositories").fill("hostile/*");
  await page.getByLabel("Older than").fill("1");
  await page.getByLabel("Versions to keep").fill("0");
  await page.getByRole("button", { name: "Save and preview" }).click();
  let seen = 0;
  for (const path of SHOWN) {
    if (path.endsWith(".atom")) {
      const feed = await page.context().request.get(path);
      expect(!/<(script|img)/.test(await feed.text()), `${path} has tags of the package`);
      continue;
    }
    await page.goto(path);
    await isHarmless(page, path);
    const text = (await page.locator("body").innerText()).replace(/\s+/g, " ");
    for (const part of SAID[path] ?? []) expect(text.includes(part), `${path} doesn't say ${part}: ${text}`);
    seen += text.includes("onerror=ran") ? 1 : 0;
  }
  // It is shown, and not left out.
  expect(seen >= 8, `the text is on ${seen} pages only`);
  await page.goto(`${REPOSITORY}/evil`);
  await accessible(page, "a hostile package");
  await page.context().close();
}
