// Every page: as axe and html-validate see it, and as pictures for people.

import { mkdir } from "node:fs/promises";
import { accessible, open, problems, signIn, valid } from "./world.mjs";

/** Every page that an administrator of the server gets, with something on it. */
export const PAGES = {
  home: "/",
  owners: "/-/owners",
  owner: "/acme",
  repository: "/acme/v3.23/main",
  package: "/acme/v3.23/main/acme-agent",
  contents: "/acme/v3.23/main/acme-agent/2.4.1-r0/x86_64/contents",
  search: "/?q=acme",
  "search-nothing": "/?q=there-is-no-such-package",
  "repository-filtered": "/acme/v3.23/main?name=acme&arch=x86_64&sort=newest",
  "repository-nothing": "/acme/v3.23/main?name=there-is-no-such-package",
  "owner-empty": "/empty",
  "package-older": "/acme/v3.23/main/acme-agent/2.3.0-r0",
  "package-long": "/acme/edge/testing/a-package-whose-name-is-as-long-as-names-of-sub-packages-of-large-projects-can-be-doc",
  upload: "/-/upload/acme?branch=v3.23&repository=main",
  delete: "/-/delete/acme/v3.23/main/x86_64/acme-agent-2.3.0-r0.apk",
  settings: "/-/settings",
  password: "/-/settings/password",
  "second-factor": "/-/settings/second-factor",
  sessions: "/-/settings/sessions",
  tokens: "/-/settings/tokens",
  "own-organisations": "/-/settings/organisations",
  general: "/-/owners/acme",
  members: "/-/owners/acme/members",
  teams: "/-/owners/acme/teams",
  team: "/-/owners/acme/teams/kernel",
  "organisation-tokens": "/-/owners/acme/tokens",
  keys: "/-/owners/acme/keys",
  deleted: "/-/owners/acme/deleted",
  expiry: "/-/owners/acme/expiry?preview=yes",
  usage: "/-/owners/acme/usage",
  webhooks: "/-/owners/acme/webhooks",
  webhook: "/-/owners/acme/webhooks/1",
  audit: "/-/owners/acme/audit",
  health: "/-/admin",
  accounts: "/-/admin/accounts",
  account: "/-/admin/accounts/reader",
  organisations: "/-/admin/organisations",
  "server-audit": "/-/admin/audit",
  "server-settings": "/-/admin/settings",
};

/** The ten pages of which there are pictures, whatever `TARN_SCREENSHOTS_OF` says beside. */
const MAIN = ["home", "owner", "repository", "package", "contents", "search", "upload", "tokens", "keys", "health"];

/** What some pages show that nothing did so far: a webhook, a rule, a deleted package, a team. */
export async function fill() {
  const page = await open();
  await signIn(page, "admin", "/-/owners/acme/webhooks");
  await page.getByLabel("URL").fill("https://hooks.example/tarn");
  await page.getByRole("button", { name: "Add the webhook" }).click();
  await page.getByRole("button", { name: "Send a test message" }).click();
  await page.goto("/-/owners/acme/expiry");
  await page.getByLabel("Repositories").fill("edge/*");
  await page.getByLabel("Older than").fill("30");
  await page.getByLabel("Versions to keep").fill("2");
  await page.getByRole("button", { name: "Save and preview" }).click();
  await page.goto("/-/delete/acme/edge/testing/x86_64/acme-agent-2.5.0_rc1-r0.apk");
  await page.getByRole("button", { name: "Delete the package" }).click();
  await page.goto("/-/owners/acme/teams");
  await page.getByLabel("Name", { exact: true }).fill("kernel");
  await page.getByLabel("Limited to").fill("edge/kernel");
  await page.getByRole("button", { name: "Add the team" }).click();
  await page.getByLabel("User").fill("writer");
  await page.getByRole("button", { name: "Add to kernel" }).click();
  await page.context().close();
}

/** Whether the page scrolls sideways, or a link, button or field of it is beside the window: rows of tables have those at their end. */
async function fits(page, path) {
  const { width, wide, outside } = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const isOutside = (element) => {
      const { left, right } = element.getBoundingClientRect();
      return element.checkVisibility() && !element.closest(".skip, .sr") && (left < -1 || right > width + 1);
    };
    const actions = [...document.querySelectorAll("a, button, input, select, textarea")].filter(isOutside);
    return { width, wide: document.documentElement.scrollWidth, outside: actions.map((element) => element.textContent.trim() || element.id) };
  });
  if (wide > width) problems.push(`${path} is ${wide} px wide at ${width}`);
  for (const action of outside) problems.push(`${path} at ${width} px: “${action}” is beside the window`);
}

/** axe on one page, light and dark, at two widths; html-validate on what the server sent. */
async function look(page, name, path) {
  const answer = await page.goto(path);
  await valid(path, await answer.text());
  await fits(page, path);
  await accessible(page, `${name}, light`);
  // Only colours are others in the dark.
  await page.emulateMedia({ colorScheme: "dark" });
  await accessible(page, `${name}, dark`, ["color-contrast", "link-in-text-block"]);
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 360, height: 780 });
  await fits(page, path);
  await accessible(page, `${name}, 360 px`);
  await page.setViewportSize({ width: 1280, height: 900 });
  return answer.status();
}

/** Every page, several at a time. */
export async function everyPage() {
  const anonymous = await open();
  for (const path of ["/", "/-/login?to=/admin", "/-/nothing", "/acme/v3.23/main"]) await look(anonymous, path, path);
  await anonymous.context().close();
  const waiting = Object.entries(PAGES);
  const worker = async () => {
    const page = await open();
    await signIn(page);
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const [name, path] = next;
      const status = await look(page, name, path);
      if (status !== 200) problems.push(`${path}: ${status}`);
    }
    await page.context().close();
  };
  await Promise.all([worker(), worker()]);
}

/** Pictures of the main pages, or of all where `TARN_SCREENSHOTS_OF` is `all`, for people to look at. */
export async function screenshots(to) {
  await mkdir(to, { recursive: true });
  const all = process.env.TARN_SCREENSHOTS_OF === "all";
  const wanted = Object.entries(PAGES).filter(([name]) => all || MAIN.includes(name));
  for (const colorScheme of ["light", "dark"]) {
    const page = await open({ colorScheme });
    await page.goto("/-/login");
    await page.screenshot({ path: `${to}/login-1280-${colorScheme}.png` });
    await signIn(page);
    for (const width of [1280, 360]) {
      await page.setViewportSize({ width, height: width === 360 ? 780 : 900 });
      for (const [name, path] of wanted) {
        await page.goto(path);
        await page.screenshot({ path: `${to}/${name}-${width}-${colorScheme}.png`, fullPage: true });
      }
    }
    await page.context().close();
  }
}
