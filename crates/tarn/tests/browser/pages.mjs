// Every page: as axe and html-validate see it, and as pictures for people.

import { mkdir, readFile } from "node:fs/promises";
import { accessible, accessibleInBoth, lookAtAnswer, open, problems, signIn, valid } from "./world.mjs";

/** Every page that an administrator of the server gets, with something on it, and those of others. The test web_access of tarn-http asks whether a route has none. */
const { admin: PAGES, anonymous: FOR_ANYONE } = JSON.parse(await readFile(new URL("pages.json", import.meta.url), "utf8"));

/** The ten pages of which there are pictures, whatever `TARN_SCREENSHOTS_OF` says beside. */
const MAIN = ["home", "owner", "repository", "package", "contents", "search", "upload", "tokens", "keys", "health"];

/** What some pages show that nothing did so far: a webhook, a rule, a deleted package, a team. */
export async function fill() {
  const page = await open();
  await signIn(page, "admin", "/-/owners/acme/webhooks");
  await page.getByLabel("URL").fill("https://hooks.example/tarn");
  await lookAtAnswer(page, "a new webhook and its secret", () => page.getByRole("button", { name: "Add the webhook" }).click());
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
  await accessibleInBoth(page, name);
  await page.setViewportSize({ width: 360, height: 780 });
  await fits(page, path);
  await accessible(page, `${name}, 360 px`);
  await page.setViewportSize({ width: 1280, height: 900 });
  return answer.status();
}

/** Every page, several at a time. */
export async function everyPage() {
  const anonymous = await open();
  for (const path of [...Object.values(FOR_ANYONE), "/-/nothing"]) await look(anonymous, path, path);
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
