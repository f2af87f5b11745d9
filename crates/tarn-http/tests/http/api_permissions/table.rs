//! Who may do what.

use serde_json::{Value, json};

/// Whom an operation is for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum For {
    /// Everybody, whatever credentials they send.
    Whoever,
    /// Everybody whose credentials are right, or who sends none.
    All,
    /// Callers who may read `guest`, who is public: the same, but for tokens that are limited to others.
    Public,
    /// Callers who may read `club`, which is private.
    Readers,
    /// Users, by whatever means they sign in.
    SignedIn,
    /// Callers who administer their own account: not with a token that lacks the scope.
    Oneself,
    /// The same, and no token does it.
    Password,
    /// Callers who may write to `club`.
    Writers,
    /// The admins of `club`.
    Admins,
    /// The same, and the others get 404.
    Hidden,
    /// Callers who administer the account `guest`, who is none of them.
    Guest,
    /// Administrators of the server.
    Site,
}

/// The callers, in the order in which they ask: those who may do less come first. `disabled` and `expired` would be admins of
/// `club` if they were not that; `token` is of its admin, and lacks the scope to administer; `elsewhere` is of `root`, has that scope,
/// and is limited to another owner; `machine` is a token of `club`.
pub(super) const CALLERS: [&str; 11] = [
    "nobody",
    "disabled",
    "expired",
    "token",
    "stranger",
    "elsewhere",
    "member",
    "machine",
    "writer",
    "chief",
    "root",
];

/// What each of them is answered. 0: what the table says.
pub(super) const fn answers(whom: For) -> [u16; 11] {
    match whom {
        For::Whoever => [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        For::All => [0, 401, 401, 0, 0, 0, 0, 0, 0, 0, 0],
        For::Public => [0, 401, 401, 0, 0, 403, 0, 0, 0, 0, 0],
        For::Readers => [401, 401, 401, 0, 403, 403, 0, 0, 0, 0, 0],
        For::SignedIn => [401, 401, 401, 0, 0, 0, 0, 403, 0, 0, 0],
        For::Oneself => [401, 401, 401, 401, 0, 403, 0, 403, 0, 0, 0],
        For::Password => [401, 401, 401, 403, 0, 403, 0, 403, 0, 0, 0],
        For::Writers => [401, 401, 401, 0, 403, 403, 403, 0, 0, 0, 0],
        For::Admins => [401, 401, 401, 401, 403, 403, 403, 401, 403, 0, 0],
        For::Hidden => [401, 401, 401, 401, 404, 404, 404, 401, 404, 0, 0],
        For::Guest => [401, 401, 401, 401, 403, 403, 403, 401, 403, 403, 0],
        For::Site => [401, 401, 401, 401, 403, 403, 403, 403, 403, 403, 0],
    }
}

pub(super) type Row = (For, &'static str, &'static str, Value, &'static [u16]);

/// Who may, the method, the path, the body, and what those who may are answered. The first of them may leave the others
/// nothing to do.
pub(super) fn table() -> Vec<Row> {
    use For::*;
    let none = || Value::Null;
    let token = || json!({ "name": "made", "scopes": ["read:package"] });
    let hook = || json!({ "config": { "url": "https://hooks.example/x" } });
    let code = || json!({ "code": "123456" });
    vec![
        (Whoever, "GET", "/openapi.json", none(), &[200]),
        (Whoever, "GET", "/version", none(), &[200]),
        (All, "GET", "/owners", none(), &[200]),
        (All, "GET", "/orgs", none(), &[200]),
        (Public, "GET", "/users/guest", none(), &[200]),
        (SignedIn, "GET", "/user/orgs", none(), &[200]),
        (
            Readers,
            "GET",
            "/packages/club/alpine/hello/-/latest",
            none(),
            &[200],
        ),
        (All, "GET", "/search/packages?q=hello", none(), &[200]),
        (SignedIn, "GET", "/user", none(), &[200]),
        (Readers, "GET", "/owners/club", none(), &[200]),
        (Readers, "GET", "/owners/club/repositories", none(), &[200]),
        (Readers, "GET", "/packages/club", none(), &[200]),
        (
            Readers,
            "GET",
            "/packages/club/alpine/hello",
            none(),
            &[200],
        ),
        (
            Readers,
            "GET",
            "/packages/club/alpine/hello/1.0-r0",
            none(),
            &[200],
        ),
        (
            Readers,
            "GET",
            "/packages/club/alpine/hello/1.0-r0/files",
            none(),
            &[200],
        ),
        (Readers, "GET", "/orgs/club", none(), &[200]),
        (
            Oneself,
            "PATCH",
            "/user/settings",
            json!({ "visibility": "public" }),
            &[200],
        ),
        (Oneself, "GET", "/user/second-factor", none(), &[200]),
        (Password, "POST", "/user/second-factor", none(), &[201]),
        (Password, "PUT", "/user/second-factor", code(), &[403]),
        (
            Password,
            "POST",
            "/user/second-factor/recovery-codes",
            code(),
            &[409],
        ),
        (Password, "DELETE", "/user/second-factor", code(), &[204]),
        (
            Password,
            "PUT",
            "/user/password",
            json!({ "password": "short" }),
            &[422],
        ),
        (Oneself, "GET", "/user/tokens", none(), &[200]),
        (Oneself, "POST", "/user/tokens", token(), &[201]),
        (Oneself, "DELETE", "/user/tokens/made", none(), &[204]),
        (Oneself, "GET", "/user/hooks", none(), &[200]),
        (Oneself, "POST", "/user/hooks", hook(), &[201]),
        (Oneself, "GET", "/user/hooks/999", none(), &[404]),
        (
            Oneself,
            "PATCH",
            "/user/hooks/999",
            json!({ "active": false }),
            &[404],
        ),
        (Oneself, "DELETE", "/user/hooks/999", none(), &[404]),
        (Oneself, "GET", "/user/hooks/999/deliveries", none(), &[404]),
        (Oneself, "POST", "/user/hooks/999/tests", none(), &[404]),
        (
            Oneself,
            "POST",
            "/user/hooks/999/deliveries/1/redeliver",
            none(),
            &[404],
        ),
        (Admins, "GET", "/orgs/club/tokens", none(), &[200]),
        (Admins, "POST", "/orgs/club/tokens", token(), &[201, 409]),
        (
            Admins,
            "DELETE",
            "/orgs/club/tokens/made",
            none(),
            &[204, 404],
        ),
        (Admins, "GET", "/orgs/club/members", none(), &[200]),
        (Admins, "GET", "/orgs/club/members/member", none(), &[204]),
        (
            Admins,
            "PUT",
            "/orgs/club/members/guest",
            json!({ "role": "read" }),
            &[204],
        ),
        (
            Admins,
            "DELETE",
            "/orgs/club/members/guest",
            none(),
            &[204, 404],
        ),
        (Admins, "GET", "/orgs/club/teams", none(), &[200]),
        (
            Admins,
            "POST",
            "/orgs/club/teams",
            json!({ "name": "extra", "permission": "write" }),
            &[201, 409],
        ),
        (Hidden, "GET", "/teams/TEAM", none(), &[200]),
        (
            Hidden,
            "PATCH",
            "/teams/TEAM",
            json!({ "limits": ["edge/*"] }),
            &[200],
        ),
        (Hidden, "GET", "/teams/TEAM/members", none(), &[200]),
        (Hidden, "PUT", "/teams/TEAM/members/guest", none(), &[204]),
        (Hidden, "GET", "/teams/TEAM/members/guest", none(), &[200]),
        (
            Hidden,
            "DELETE",
            "/teams/TEAM/members/guest",
            none(),
            &[204, 404],
        ),
        (Hidden, "DELETE", "/teams/TEAM", none(), &[204, 404]),
        (Admins, "GET", "/orgs/club/hooks", none(), &[200]),
        (Admins, "POST", "/orgs/club/hooks", hook(), &[201]),
        (Admins, "GET", "/orgs/club/hooks/HOOK", none(), &[200]),
        (
            Admins,
            "PATCH",
            "/orgs/club/hooks/HOOK",
            json!({ "events": ["published"] }),
            &[200],
        ),
        (
            Admins,
            "POST",
            "/orgs/club/hooks/HOOK/tests",
            none(),
            &[201, 409],
        ),
        (
            Admins,
            "GET",
            "/orgs/club/hooks/HOOK/deliveries",
            none(),
            &[200],
        ),
        (
            Admins,
            "POST",
            "/orgs/club/hooks/HOOK/deliveries/999/redeliver",
            none(),
            &[404],
        ),
        (
            Admins,
            "DELETE",
            "/orgs/club/hooks/HOOK",
            none(),
            &[204, 404],
        ),
        (Admins, "GET", "/owners/club/keys", none(), &[200]),
        (Admins, "POST", "/owners/club/keys", none(), &[201, 409]),
        (
            Admins,
            "POST",
            "/owners/club/keys/none.rsa.pub/retire",
            none(),
            &[404],
        ),
        (
            Admins,
            "POST",
            "/owners/club/keys/none.rsa.pub/reactivate",
            none(),
            &[404],
        ),
        (Admins, "GET", "/owners/club/quota", none(), &[200]),
        (
            Site,
            "PUT",
            "/owners/club/quota",
            json!({ "packages": 100 }),
            &[200],
        ),
        (Site, "DELETE", "/owners/club/quota", none(), &[204]),
        (Admins, "GET", "/owners/club/versions", none(), &[200]),
        (
            Admins,
            "PUT",
            "/owners/club/versions",
            json!({ "versions": "lenient" }),
            &[200],
        ),
        (Admins, "DELETE", "/owners/club/versions", none(), &[204]),
        (Admins, "GET", "/owners/club/expiry-rules", none(), &[200]),
        (
            Admins,
            "POST",
            "/owners/club/expiry-rules",
            json!({ "pattern": "edge/*", "days": 9, "keep": 1 }),
            &[201],
        ),
        (
            Admins,
            "DELETE",
            "/owners/club/expiry-rules/1",
            none(),
            &[204, 404],
        ),
        (Admins, "GET", "/owners/club/audit", none(), &[200]),
        (Admins, "GET", "/owners/club/audit/export", none(), &[200]),
        (Admins, "GET", "/owners/club/former-names", none(), &[200]),
        (
            Admins,
            "PATCH",
            "/orgs/club",
            json!({ "visibility": "private" }),
            &[200],
        ),
        (
            Admins,
            "POST",
            "/orgs/club/rename",
            json!({ "new_name": "taken" }),
            &[409],
        ),
        (Site, "GET", "/audit", none(), &[200]),
        (Site, "GET", "/audit/export", none(), &[200]),
        (Site, "GET", "/admin/users", none(), &[200]),
        (
            Site,
            "POST",
            "/admin/users",
            json!({ "username": "fresh", "password": "a long password" }),
            &[201],
        ),
        (
            Site,
            "PATCH",
            "/admin/users/fresh",
            json!({ "active": false }),
            &[200],
        ),
        (
            Site,
            "POST",
            "/admin/users/fresh/rename",
            json!({ "new_username": "fresher" }),
            &[204],
        ),
        (Site, "DELETE", "/admin/former-names/fresh", none(), &[204]),
        (
            Site,
            "DELETE",
            "/admin/users/fresher/second-factor",
            none(),
            &[409],
        ),
        (Guest, "GET", "/users/guest/tokens", none(), &[200]),
        (Guest, "POST", "/users/guest/tokens", token(), &[201]),
        (Guest, "DELETE", "/users/guest/tokens/made", none(), &[204]),
        (Site, "DELETE", "/admin/users/fresher", none(), &[204]),
        (
            Site,
            "POST",
            "/orgs",
            json!({ "username": "neworg" }),
            &[201],
        ),
        (
            Writers,
            "DELETE",
            "/packages/club/alpine/hello/1.0-r0",
            none(),
            &[204, 404],
        ),
        (
            Writers,
            "DELETE",
            "/packages/club/alpine/hello",
            none(),
            &[204, 404],
        ),
        (
            Writers,
            "GET",
            "/owners/club/deleted-packages",
            none(),
            &[200],
        ),
        (
            Writers,
            "POST",
            "/owners/club/deleted-packages/9999/restore",
            none(),
            &[404],
        ),
        (Admins, "DELETE", "/orgs/club", none(), &[204, 404]),
    ]
}
