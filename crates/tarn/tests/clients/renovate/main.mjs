// Looks versions up with the datasources of Renovate, as its configuration would have it: `apk`, and `custom` with the format `html`.
//
//     node main.mjs URL USER PASSWORD
//
// The server has `hello` 1.0-r0 and 1.1-r0 of USER in v3.23/main, for x86_64, and shows it to USER only. $TARN_RENOVATE is the folder that
// scripts/install-clients installed into, $TARN_RENOVATE_LISTING the configuration of a custom datasource. Prints `done` when everything was as expected.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [base, user, password] = process.argv.slice(2);
const renovate = (path) => import(pathToFileURL(join(process.env.TARN_RENOVATE, "node_modules/renovate/dist", path)));

const { GlobalConfig } = await renovate("config/global.js");
const hostRules = await renovate("util/host-rules.js");
const { ApkDatasource } = await renovate("modules/datasource/apk/index.js");
const { CustomDatasource } = await renovate("modules/datasource/custom/index.js");

const cacheDir = mkdtempSync(join(tmpdir(), "tarn-renovate-"));
process.on("exit", () => rmSync(cacheDir, { recursive: true }));
GlobalConfig.set({ cacheDir });

const registry = `${base}/api/packages/${user}/alpine`;
const versions = (found) => found?.releases.map((release) => release.version) ?? [];

const lookUp = (packageName, place) =>
    new ApkDatasource().getReleases({ packageName, registryUrl: `${registry}?${place}` });
const place = "branch=v3.23&components=main&arch=x86_64";

// Without credentials nothing is found.
assert.deepEqual(versions(await lookUp("hello", place)), []);

hostRules.add({ matchHost: base, username: user, password });
const found = await lookUp("hello", place);
assert.deepEqual(versions(found).sort(), ["1.0-r0", "1.1-r0"]);
assert.equal(found.homepage, "https://example.org/hello");
assert.equal(found.releases[0].releaseTimestamp, "2023-11-14T22:13:20.000Z");
// A repository that is not there spoils nothing; a package that is not there is not found.
assert.deepEqual(versions(await lookUp("hello", "branch=v3.23&components=none,main&arch=x86_64")).sort(), ["1.0-r0", "1.1-r0"]);
assert.deepEqual(versions(await lookUp("absent", place)), []);

// The listing of an architecture, as docs/renovate.md has it.
const { customDatasources } = JSON.parse(process.env.TARN_RENOVATE_LISTING);
const url = customDatasources.tarn.defaultRegistryUrlTemplate;
customDatasources.tarn.defaultRegistryUrlTemplate = url.replace("https://HOST", base).replace("OWNER", user);
const listed = await new CustomDatasource().getReleases({
    packageName: "hello",
    customDatasources,
    datasource: "custom.tarn",
});
assert.deepEqual(versions(listed).sort(), ["1.0-r0", "1.1-r0"]);

console.log("done");
