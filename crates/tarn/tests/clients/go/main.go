// The Go SDK of Gitea against a server: `client URL ADMIN PASSWORD`. The package `hello` of ADMIN is there in the versions 1.0-r0
// and 1.1-r0. It ends with 0 when all went as it does with a forge.
package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"

	"code.gitea.io/sdk/gitea"
)

func must[T any](value T, _ *gitea.Response, err error) T {
	done(nil, err)
	return value
}

func done(_ *gitea.Response, err error) {
	if err != nil {
		panic(err)
	}
}

func check(holds bool, what string, values ...any) {
	if !holds {
		panic(fmt.Sprint(append([]any{what, ": "}, values...)...))
	}
}

// refused wants a call to have ended with that status.
func refused(status int, response *gitea.Response, err error) {
	check(err != nil && response != nil && response.StatusCode == status, "refused", status, err)
}

func main() {
	url, admin, password := os.Args[1], os.Args[2], os.Args[3]
	// It asks for the version, and refuses a server that is too old.
	client, err := gitea.NewClient(url, gitea.SetBasicAuth(admin, password))
	done(nil, err)
	version := must(client.ServerVersion())
	check(strings.HasPrefix(version, "1.24.0+tarn-"), "version", version)
	done(nil, client.CheckServerVersionConstraint(">= 1.24.0"))

	users(client, admin)
	tokens(client, url)
	packages(client, admin)
	organisations(client)
	hooks(client)
	done(client.AdminDeleteUser("bob"))
	fmt.Println("done")
}

func users(client *gitea.Client, admin string) {
	me := must(client.GetMyUserInfo())
	check(me.UserName == admin && me.IsAdmin && me.ID > 0 && !me.Created.IsZero(), "me", me)
	no, visibility := false, gitea.VisibleTypeLimited
	bob := must(client.AdminCreateUser(gitea.CreateUserOption{
		Username: "bob", Email: "bob@example.org", Password: "the password of bob", MustChangePassword: &no,
		Visibility: &visibility,
	}))
	check(bob.UserName == "bob" && bob.Visibility == visibility, "bob", bob)
	yes := true
	done(client.AdminEditUser("bob", gitea.EditUserOption{LoginName: "bob", ProhibitLogin: &yes}))
	all := must(client.AdminListUsers(gitea.AdminListUsersOptions{}))
	check(len(all) == 2 && all[1].ProhibitLogin, "users", all)
	done(client.AdminEditUser("bob", gitea.EditUserOption{LoginName: "bob", ProhibitLogin: &no}))
	check(must(client.GetUserInfo("bob")).ID == bob.ID, "user")
	_, response, err := client.GetUserInfo("nobody")
	refused(http.StatusNotFound, response, err)
}

func tokens(client *gitea.Client, url string) {
	scopes := []gitea.AccessTokenScope{"read:user", "write:package", "write:repository"}
	made := must(client.CreateAccessToken(gitea.CreateAccessTokenOption{Name: "ci", Scopes: scopes}))
	check(strings.HasSuffix(made.Token, made.TokenLastEight) && len(made.TokenLastEight) == 8, "token")
	list := must(client.ListAccessTokens(gitea.ListAccessTokensOptions{}))
	check(len(list) == 1 && list[0].ID == made.ID && list[0].Scopes[0] == "write:package", "tokens", list)
	byToken, err := gitea.NewClient(url, gitea.SetToken(made.Token))
	done(nil, err)
	must(byToken.GetMyUserInfo())
	_, response, err := byToken.AdminListUsers(gitea.AdminListUsersOptions{})
	refused(http.StatusUnauthorized, response, err)
	done(client.DeleteAccessToken("ci"))
	_, response, err = byToken.GetMyUserInfo()
	refused(http.StatusUnauthorized, response, err)
	every := must(client.CreateAccessToken(gitea.CreateAccessTokenOption{
		Name: "every", Scopes: []gitea.AccessTokenScope{gitea.AccessTokenScopeAll},
	}))
	byToken, err = gitea.NewClient(url, gitea.SetToken(every.Token))
	done(nil, err)
	must(byToken.AdminListUsers(gitea.AdminListUsersOptions{}))
	done(client.DeleteAccessToken(every.ID))
}

func packages(client *gitea.Client, owner string) {
	first, response, err := client.ListPackages(owner, gitea.ListPackagesOptions{ListOptions: gitea.ListOptions{PageSize: 1}})
	done(response, err)
	// The pages come from the header Link.
	check(len(first) == 1 && response.NextPage == 2 && response.LastPage == 2, "pages", response.NextPage)
	all := must(client.ListPackages(owner, gitea.ListPackagesOptions{ListOptions: gitea.ListOptions{Page: -1}}))
	check(len(all) == 2 && all[0].Version == "1.1-r0" && all[0].Type == "alpine", "packages", all)
	found := must(client.GetPackage(owner, "alpine", "hello", "1.0-r0"))
	check(found.Name == "hello" && found.Owner.UserName == owner && found.ID > 0, "package", found)
	files := must(client.ListPackageFiles(owner, "alpine", "hello", "1.0-r0"))
	check(len(files) == 1 && files[0].Size > 0 && len(files[0].SHA256) == 64, "files", files)
	done(client.DeletePackage(owner, "alpine", "hello", "1.0-r0"))
	_, response, err = client.GetPackage(owner, "alpine", "hello", "1.0-r0")
	refused(http.StatusNotFound, response, err)
}

func organisations(client *gitea.Client) {
	made := must(client.CreateOrg(gitea.CreateOrgOption{Name: "acme", FullName: "Acme", Visibility: gitea.VisibleTypePublic}))
	check(made.UserName == "acme", "organisation", made)
	done(client.EditOrg("acme", gitea.EditOrgOption{Visibility: gitea.VisibleTypePrivate}))
	check(must(client.GetOrg("acme")).Visibility == "private", "visibility")
	check(len(must(client.ListMyOrgs(gitea.ListOrgsOptions{}))) == 1, "organisations")
	units := []gitea.RepoUnitType{gitea.RepoUnitPackages}
	team := must(client.CreateTeam("acme", gitea.CreateTeamOption{Name: "ci", Permission: gitea.AccessModeWrite, Units: units}))
	check(len(must(client.ListOrgTeams("acme", gitea.ListTeamsOptions{}))) == 4, "teams")
	done(client.EditTeam(team.ID, gitea.EditTeamOption{Name: "ci", Permission: gitea.AccessModeWrite}))
	check(must(client.GetTeam(team.ID)).Permission == gitea.AccessModeWrite, "team")
	done(client.AddTeamMember(team.ID, "bob"))
	check(len(must(client.ListTeamMembers(team.ID, gitea.ListTeamMembersOptions{}))) == 1, "members")
	check(must(client.GetTeamMember(team.ID, "bob")).UserName == "bob", "member")
	check(must(client.CheckOrgMembership("acme", "bob")), "membership")
	done(client.RemoveTeamMember(team.ID, "bob"))
	check(!must(client.CheckOrgMembership("acme", "bob")), "no membership")
	done(client.DeleteTeam(team.ID))
}

func hooks(client *gitea.Client) {
	order := gitea.CreateHookOption{
		Type: gitea.HookTypeGitea, Active: true, Events: []string{"package"},
		Config: map[string]string{"url": "https://hooks.example/x", "content_type": "json", "secret": "short"},
	}
	no := false
	hook := must(client.CreateOrgHook("acme", order))
	done(client.EditOrgHook("acme", hook.ID, gitea.EditHookOption{Active: &no}))
	check(!must(client.GetOrgHook("acme", hook.ID)).Active, "hook")
	check(len(must(client.ListOrgHooks("acme", gitea.ListHooksOptions{}))) == 1, "hooks")
	done(client.DeleteOrgHook("acme", hook.ID))
	hook = must(client.CreateMyHook(order))
	done(client.EditMyHook(hook.ID, gitea.EditHookOption{Config: map[string]string{"url": "https://hooks.example/y", "secret": ""}}))
	check(must(client.GetMyHook(hook.ID)).Config["url"] == "https://hooks.example/y", "my hook")
	check(len(must(client.ListMyHooks(gitea.ListHooksOptions{}))) == 1, "my hooks")
	done(client.DeleteMyHook(hook.ID))
	done(client.DeleteOrg("acme"))
}
