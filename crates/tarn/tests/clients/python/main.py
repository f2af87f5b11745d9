"""The Python client of Forgejo against a server: `main.py URL ADMIN PASSWORD`. The package `hello` of ADMIN is there in the
versions 1.0-r0 and 1.1-r0. It ends with 0 when all went as it does with a forge."""

import sys

import clientapi_forgejo as forgejo

url, admin, password = sys.argv[1:]


def connect(**credentials):
    return forgejo.ApiClient(forgejo.Configuration(host=f"{url}/api/v1", **credentials))


def refused(status, call, *arguments):
    try:
        call(*arguments)
    except forgejo.ApiException as error:
        assert error.status == status, error
        assert error.headers["X-Tarn-Error"], error
    else:
        raise AssertionError(f"{call} was not refused")


client = connect(username=admin, password=password)
users, organisations = forgejo.UserApi(client), forgejo.OrganizationApi(client)
administration, packages = forgejo.AdminApi(client), forgejo.PackageApi(client)

assert forgejo.MiscellaneousApi(client).get_version().version.startswith("1.24.0+tarn-")

me = users.user_get_current()
assert (me.login, me.is_admin) == (admin, True), me
order = forgejo.CreateUserOption(
    username="carol", email="carol@example.org", password="the password of carol", must_change_password=False
)
assert administration.admin_create_user(order).login == "carol"
administration.admin_edit_user("carol", forgejo.EditUserOption(login_name="carol", source_id=0, prohibit_login=True))
assert users.user_get("carol").login == "carol"
# `sort` is of the forges, and is not known here.
names = [user.login for user in administration.admin_search_users(page=1, limit=50, sort="name")]
assert names == [admin, "carol"], names
administration.admin_edit_user("carol", forgejo.EditUserOption(login_name="carol", source_id=0, prohibit_login=False))

order = forgejo.CreateAccessTokenOption(name="ci", scopes=["read:package", "read:user", "write:issue"])
token = users.user_create_token(admin, order)
assert token.sha1.endswith(token.token_last_eight) and token.scopes == ["read:package"], token
assert [found.id for found in users.user_get_tokens(admin)] == [token.id]
by_token = connect(
    api_key={"AuthorizationHeaderToken": token.sha1}, api_key_prefix={"AuthorizationHeaderToken": "token"}
)
assert forgejo.UserApi(by_token).user_get_current().login == admin
refused(401, forgejo.PackageApi(by_token).delete_package, admin, "alpine", "hello", "1.0-r0")
users.user_delete_access_token(admin, "ci")
refused(401, forgejo.UserApi(by_token).user_get_current)

found = packages.list_packages(admin, page=1, limit=10, type="alpine", q="hell")
assert [package.version for package in found] == ["1.1-r0", "1.0-r0"], found
assert packages.list_packages(admin, type="npm") == []
assert packages.get_package(admin, "alpine", "hello", "1.0-r0").owner.login == admin
(file,) = packages.list_package_files(admin, "alpine", "hello", "1.0-r0")
assert file.size > 0 and len(file.sha256) == 64, file
packages.delete_package(admin, "alpine", "hello", "1.0-r0")
refused(404, packages.get_package, admin, "alpine", "hello", "1.0-r0")

assert organisations.org_create(forgejo.CreateOrgOption(username="apex", visibility="limited")).name == "apex"
assert organisations.org_edit("apex", forgejo.EditOrgOption(visibility="public")).visibility == "public"
assert [found.name for found in organisations.org_list_current_user_orgs()] == ["apex"]
order = forgejo.CreateTeamOption(name="ci", permission="write", units=["repo.packages"])
team = organisations.org_create_team("apex", order)
organisations.org_add_team_member(team.id, "carol")
assert [member.login for member in organisations.org_list_team_members(team.id)] == ["carol"]
organisations.org_is_member("apex", "carol")
organisations.org_remove_team_member(team.id, "carol")
refused(404, organisations.org_is_member, "apex", "carol")
assert len(organisations.org_list_teams("apex")) == 4
organisations.org_delete_team(team.id)

config = {"url": "https://hooks.example/x", "content_type": "json", "secret": "short"}
order = forgejo.CreateHookOption(type="forgejo", active=True, events=["package"], config=config)
hook = organisations.org_create_hook("apex", order)
assert not organisations.org_edit_hook("apex", hook.id, forgejo.EditHookOption(active=False)).active
assert [found.id for found in organisations.org_list_hooks("apex")] == [hook.id]
organisations.org_delete_hook("apex", hook.id)
hook = users.user_create_hook(order)
assert users.user_get_hook(hook.id).config["url"] == config["url"]
users.user_delete_hook(hook.id)

organisations.org_delete("apex")
administration.admin_delete_user("carol")
print("done")
