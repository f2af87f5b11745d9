// Each page once as each kind of viewer.

import { open, problems, signIn } from "./world.mjs";

/** What anonymous, reader, writer and admin of the private organisation `vault` get. 303 is the form to sign in. */
const STATUSES = {
  "/": [200, 200, 200, 200],
  "/vault": [303, 200, 200, 200],
  "/vault/edge/main": [303, 200, 200, 200],
  "/vault/edge/main/vaulted": [303, 200, 200, 200],
  "/vault/edge/main/vaulted/1.0-r0": [303, 200, 200, 200],
  "/vault/edge/main/vaulted/1.0-r0/x86_64": [303, 200, 200, 200],
  "/vault/edge/main/vaulted/1.0-r0/x86_64/contents": [303, 200, 200, 200],
  "/vault/-/packages/alpine/vaulted": [303, 200, 200, 200],
  "/api/packages/vault/alpine/edge/main": [303, 200, 200, 200],
  "/-/login": [200, 200, 200, 200],
  "/-/upload/vault": [303, 200, 200, 200],
  "/-/delete/vault/edge/main/x86_64/vaulted-1.0-r0.apk": [303, 403, 200, 200],
  "/-/settings": [303, 200, 200, 200],
  "/-/settings/password": [303, 200, 200, 200],
  "/-/settings/second-factor": [303, 200, 200, 200],
  "/-/settings/sessions": [303, 200, 200, 200],
  "/-/settings/tokens": [303, 200, 200, 200],
  "/-/settings/organisations": [303, 200, 200, 200],
  "/-/owners/vault": [303, 403, 403, 200],
  "/-/owners/vault/members": [303, 403, 403, 200],
  "/-/owners/vault/teams": [303, 403, 403, 200],
  "/-/owners/vault/tokens": [303, 403, 403, 200],
  "/-/owners/vault/keys": [303, 403, 403, 200],
  "/-/owners/vault/deleted": [303, 403, 403, 200],
  "/-/owners/vault/expiry": [303, 403, 403, 200],
  "/-/owners/vault/usage": [303, 403, 403, 200],
  "/-/owners/vault/webhooks": [303, 403, 403, 200],
  "/-/owners/vault/audit": [303, 403, 403, 200],
  "/-/admin": [303, 403, 403, 403],
  "/-/admin/accounts": [303, 403, 403, 403],
  "/-/admin/accounts/reader": [303, 403, 403, 403],
  "/-/admin/organisations": [303, 403, 403, 403],
  "/-/admin/audit": [303, 403, 403, 403],
  "/-/admin/settings": [303, 403, 403, 403],
  "/-/nothing": [404, 404, 404, 404],
};

export async function eachRole() {
  const viewers = [null, "reader", "writer", "keeper"];
  for (const [column, name] of viewers.entries()) {
    const page = await open();
    if (name) await signIn(page, name);
    for (const [path, statuses] of Object.entries(STATUSES)) {
      const answer = await page.goto(path, { waitUntil: "commit" });
      const isSignIn = new URL(answer.url()).pathname === "/-/login" && path !== "/-/login";
      const status = isSignIn ? 303 : answer.status();
      if (status !== statuses[column]) problems.push(`${path} as ${name}: ${status}, not ${statuses[column]}`);
    }
    await page.context().close();
  }
}
