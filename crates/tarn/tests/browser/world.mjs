// A browser for the tests, and what every page is looked at for: console, requests, accessibility, HTML.

import { createHmac } from "node:crypto";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.TARN_BROWSER_MODULES}/`);
const { chromium } = require("playwright-core");
const axe = require("axe-core");
const { HtmlValidate } = require("html-validate");

const validator = new HtmlValidate({
  extends: ["html-validate:standard", "html-validate:a11y"],
  rules: {
    // A matter of taste: `<!doctype html>` and void elements without a slash are what the templates have.
    "doctype-style": "off",
    "void-style": "off",
    "no-trailing-whitespace": "off",
    "long-title": "off",
    // A region that scrolls has to have the focus (axe: scrollable-region-focusable).
    "prefer-native-element": "off",
    "no-redundant-role": "off",
  },
});

export const [base, password, folder, part] = process.argv.slice(2);

/** A text that would be more than text wherever it is not escaped. The package of the tests says it, too. */
export const HOSTILE = `"><script>ran=1</script><img src=//evil.example/x onerror=ran=1>'&`;

/** What was wrong with any page. */
export const problems = [];

let browser;

export async function start() {
  browser = await chromium.launch({
    executablePath: process.env.TARN_CHROMIUM || "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });
}

export const stop = () => browser.close();

/** A page of a browser with its own cookies. What it logs, and what it asks other hosts for, is a problem. */
export async function open(options = {}) {
  const context = await browser.newContext({ baseURL: base, viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  page.on("console", (message) => {
    // The browser itself logs an answer of 4xx: forms that are refused on purpose have one.
    if (message.type() === "error" && !/status of (4\d\d)/.test(message.text())) {
      problems.push(`${page.url()}: console: ${message.text()}`);
    }
  });
  page.on("pageerror", (error) => problems.push(`${page.url()}: ${error}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(base) && !request.url().startsWith("data:")) {
      problems.push(`${page.url()}: asked for ${request.url()}`);
    }
  });
  return page;
}

export async function signIn(page, name = "admin", to = "/") {
  await page.goto(`/-/login?to=${encodeURIComponent(to)}`);
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("Password", { exact: true }).fill(name === "admin" ? password : `${name}-Password-1`);
  await page.getByRole("main").getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL((url) => url.pathname !== "/-/login");
}

/** Runs axe on the page as it is now: all rules, or these. */
export async function accessible(page, what, rules) {
  if (!await page.evaluate(() => "axe" in globalThis)) await page.evaluate(axe.source);
  const { violations } = await page.evaluate((rules) => globalThis.axe.run(document, {
    resultTypes: ["violations"], ...(rules && { runOnly: { type: "rule", values: rules } }),
  }), rules);
  for (const violation of violations) {
    for (const node of violation.nodes) {
      problems.push(`${what}: axe ${violation.id}: ${node.target.join(" ")}: ${node.failureSummary}`);
    }
  }
}

/** The same light and dark. */
export async function accessibleInBoth(page, what) {
  await accessible(page, `${what}, light`);
  // Only colours are others in the dark.
  await page.emulateMedia({ colorScheme: "dark" });
  await accessible(page, `${what}, dark`, ["color-contrast", "link-in-text-block"]);
  await page.emulateMedia({ colorScheme: "light" });
}

/** Sends a form by `act`, and looks at the page that is the answer: what is shown once has no address. */
export async function lookAtAnswer(page, what, act) {
  const isAnswer = (response) => response.request().method() === "POST" && response.request().isNavigationRequest();
  const [answer] = await Promise.all([page.waitForResponse(isAnswer), act()]);
  await page.waitForLoadState();
  await valid(what, await answer.text());
  await accessibleInBoth(page, what);
}

/** Validates the HTML that the server sent. */
export async function valid(path, html) {
  const report = await validator.validateString(html);
  for (const result of report.results) {
    for (const message of result.messages) {
      problems.push(`${path}: html ${message.ruleId}: ${message.message} (line ${message.line}: ${
        (result.source || "").split("\n")[message.line - 1]?.slice(0, 160)})`);
    }
  }
}

/** The code that an authenticator app shows (RFC 6238), `steps` of 30 seconds from now. */
export function code(secret, steps = 0) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...secret].map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const hash = createHmac("sha1", key).update(counter).digest();
  const at = hash.at(-1) & 15;
  return String((hash.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

export function expect(condition, text) {
  if (!condition) throw new Error(text);
}
