//! Who may do what.

use serde_json::Value;

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

/// Whom an operation is for, and what each of the callers is answered: `+` what the table says, `1` 401, `3` 403, `4` 404.
const ANSWERS: [(&str, &str); 12] = [
    // Everybody, whatever credentials they send.
    ("Anyone", "+++++++++++"),
    // Everybody whose credentials are right, or who sends none.
    ("All", "+11++++++++"),
    // Callers who may read `guest`, who is public: the same, but for tokens that are limited to others.
    ("Public", "+11++3+++++"),
    // Callers who may read `club`, which is private.
    ("Readers", "111+33+++++"),
    // Users, by whatever means they sign in.
    ("SignedIn", "111++++3+++"),
    // Callers who administer their own account: not with a token that lacks the scope.
    ("Oneself", "1111+3+3+++"),
    // The same, and no token does it.
    ("Password", "1113+3+3+++"),
    // Callers who may write to `club`.
    ("Writers", "111+333++++"),
    // The admins of `club`.
    ("Admins", "111133313++"),
    // The same, and the others get 404.
    ("Hidden", "111144414++"),
    // Callers who administer the account `guest`, who is none of them.
    ("Guest", "1111333133+"),
    // Administrators of the server.
    ("Site", "1111333333+"),
];

/// Whom each operation is for, the method, the path, what those who may are answered, and the body. The first of them may leave the
/// others nothing to do.
const TABLE: &str = r#"
Anyone   GET    /openapi.json                                  200
Anyone   GET    /version                                       200
All      GET    /owners                                        200
All      GET    /orgs                                          200
Public   GET    /users/guest                                   200
SignedIn GET    /user/orgs                                     200
Readers  GET    /packages/club/alpine/hello/-/latest           200
All      GET    /search/packages?q=hello                       200
SignedIn GET    /user                                          200
Readers  GET    /owners/club                                   200
Readers  GET    /owners/club/repositories                      200
Readers  GET    /packages/club                                 200
Readers  GET    /packages/club/alpine/hello                    200
Readers  GET    /packages/club/alpine/hello/1.0-r0             200
Readers  GET    /packages/club/alpine/hello/1.0-r0/files       200
Readers  GET    /orgs/club                                     200
Oneself  PATCH  /user/settings                                 200     {"visibility": "public"}
Oneself  GET    /user/second-factor                            200
Password POST   /user/second-factor                            201
Password PUT    /user/second-factor                            403     {"code": "123456"}
Password POST   /user/second-factor/recovery-codes             409     {"code": "123456"}
Password DELETE /user/second-factor                            204     {"code": "123456"}
Password PUT    /user/password                                 422     {"password": "short"}
Oneself  GET    /user/tokens                                   200
Oneself  POST   /user/tokens                                   201     {"name": "made", "scopes": ["read:package"]}
Oneself  DELETE /user/tokens/made                              204
Oneself  GET    /user/hooks                                    200
Oneself  POST   /user/hooks                                    201     {"config": {"url": "https://hooks.example/x"}}
Oneself  GET    /user/hooks/999                                404
Oneself  PATCH  /user/hooks/999                                404     {"active": false}
Oneself  DELETE /user/hooks/999                                404
Oneself  GET    /user/hooks/999/deliveries                     404
Oneself  POST   /user/hooks/999/tests                          404
Oneself  POST   /user/hooks/999/deliveries/1/redeliver         404
Admins   GET    /orgs/club/tokens                              200
Admins   POST   /orgs/club/tokens                              201,409 {"name": "made", "scopes": ["read:package"]}
Admins   DELETE /orgs/club/tokens/made                         204,404
Admins   GET    /orgs/club/members                             200
Admins   GET    /orgs/club/members/member                      204
Admins   PUT    /orgs/club/members/guest                       204     {"role": "read"}
Admins   DELETE /orgs/club/members/guest                       204,404
Admins   GET    /orgs/club/teams                               200
Admins   POST   /orgs/club/teams                               201,409 {"name": "extra", "permission": "write"}
Hidden   GET    /teams/TEAM                                    200
Hidden   PATCH  /teams/TEAM                                    200     {"limits": ["edge/*"]}
Hidden   GET    /teams/TEAM/members                            200
Hidden   PUT    /teams/TEAM/members/guest                      204
Hidden   GET    /teams/TEAM/members/guest                      200
Hidden   DELETE /teams/TEAM/members/guest                      204,404
Hidden   DELETE /teams/TEAM                                    204,404
Admins   GET    /orgs/club/hooks                               200
Admins   POST   /orgs/club/hooks                               201     {"config": {"url": "https://hooks.example/x"}}
Admins   GET    /orgs/club/hooks/HOOK                          200
Admins   PATCH  /orgs/club/hooks/HOOK                          200     {"events": ["published"]}
Admins   POST   /orgs/club/hooks/HOOK/tests                    201,409
Admins   GET    /orgs/club/hooks/HOOK/deliveries               200
Admins   POST   /orgs/club/hooks/HOOK/deliveries/999/redeliver 404
Admins   DELETE /orgs/club/hooks/HOOK                          204,404
Admins   GET    /owners/club/keys                              200
Admins   POST   /owners/club/keys                              201,409
Admins   POST   /owners/club/keys/none.rsa.pub/retire          404
Admins   POST   /owners/club/keys/none.rsa.pub/reactivate      404
Admins   GET    /owners/club/quota                             200
Site     PUT    /owners/club/quota                             200     {"packages": 100}
Site     DELETE /owners/club/quota                             204
Admins   GET    /owners/club/versions                          200
Admins   PUT    /owners/club/versions                          200     {"versions": "lenient"}
Admins   DELETE /owners/club/versions                          204
Admins   GET    /owners/club/expiry-rules                      200
Admins   POST   /owners/club/expiry-rules                      201     {"pattern": "edge/*", "days": 9, "keep": 1}
Admins   DELETE /owners/club/expiry-rules/1                    204,404
Admins   GET    /owners/club/audit                             200
Admins   GET    /owners/club/audit/export                      200
Admins   GET    /owners/club/former-names                      200
Admins   PATCH  /orgs/club                                     200     {"visibility": "private"}
Admins   POST   /orgs/club/rename                              409     {"new_name": "taken"}
Site     GET    /audit                                         200
Site     GET    /audit/export                                  200
Site     GET    /admin/users                                   200
Site     POST   /admin/users                                   201     {"username": "fresh", "password": "a long password"}
Site     PATCH  /admin/users/fresh                             200     {"active": false}
Site     POST   /admin/users/fresh/rename                      204     {"new_username": "fresher"}
Site     DELETE /admin/former-names/fresh                      204
Site     DELETE /admin/users/fresher/second-factor             409
Guest    GET    /users/guest/tokens                            200
Guest    POST   /users/guest/tokens                            201     {"name": "made", "scopes": ["read:package"]}
Guest    DELETE /users/guest/tokens/made                       204
Site     DELETE /admin/users/fresher                           204
Site     POST   /orgs                                          201     {"username": "neworg"}
Writers  DELETE /packages/club/alpine/hello/1.0-r0             204,404
Writers  DELETE /packages/club/alpine/hello                    204,404
Writers  GET    /owners/club/deleted-packages                  200
Writers  POST   /owners/club/deleted-packages/9999/restore     404
Admins   DELETE /orgs/club                                     204,404
"#;

pub(super) struct Row {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// Null: none.
    pub(super) body: Value,
    pub(super) expected: Vec<u16>,
    /// What each of the callers is answered; none: what is expected.
    pub(super) answers: [Option<u16>; CALLERS.len()],
}

impl Row {
    fn of(line: &'static str) -> Self {
        let mut words = line.split_whitespace();
        let mut word = || words.next().unwrap();
        let (whom, method, path, expected) = (word(), word(), word(), word());
        let body = line.find('{').map(|at| &line[at..]);
        let (_, answers) = ANSWERS.iter().find(|(of, _)| *of == whom).unwrap();
        let answer = |sign: char| match sign {
            '+' => None,
            '1' => Some(401),
            '3' => Some(403),
            '4' => Some(404),
            other => panic!("{other:?} is not an answer"),
        };
        let answers: Vec<_> = answers.chars().map(answer).collect();
        Self {
            method,
            path,
            body: body.map_or(Value::Null, |body| serde_json::from_str(body).unwrap()),
            expected: expected
                .split(',')
                .map(|status| status.parse().unwrap())
                .collect(),
            answers: answers.try_into().unwrap(),
        }
    }
}

pub(super) fn table() -> Vec<Row> {
    TABLE.trim().lines().map(Row::of).collect()
}
