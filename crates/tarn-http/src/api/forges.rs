//! What clients of Forgejo and Gitea write into bodies although it says nothing here: mail, profiles, source repositories.
//!
//! A body may have the fields below, and what is in them is not looked at. What would be a promise is no such field: it is read
//! where the body is described, and refused with 422 when it asks for something that is not done here.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor, value::MapDeserializer},
};
use serde_json::{Map, Value, json, value::RawValue};

use crate::error::ApiError;

/// Of an account.
const PROFILE: &[&str] = &[
    "email",
    "full_name",
    "login_name",
    "send_notify",
    "website",
    "location",
    "description",
    "allow_git_hook",
    "allow_import_local",
    "allow_create_organization",
    "max_repo_creation",
];

/// Of an organisation.
const PAGE: &[&str] = &[
    "email",
    "full_name",
    "website",
    "location",
    "description",
    "repo_admin_change_team_access",
];

/// Of a team.
const SOURCES: &[&str] = &[
    "description",
    "includes_all_repositories",
    "can_create_org_repo",
    "is_security_team",
    "visibility",
];

/// For each body, by the name of its schema, the fields that are not looked at.
pub(super) const NEUTRAL: [(&str, &[&str]); 8] = [
    ("NewUser", PROFILE),
    ("UserChange", PROFILE),
    ("NewOrganisation", PAGE),
    ("OrganisationChange", PAGE),
    ("NewTeam", SOURCES),
    ("TeamChange", SOURCES),
    ("NewHook", &["name"]),
    ("HookChange", &["name"]),
];

/// The operations that Forgejo and Gitea have too, by the names that they have there.
const OPERATIONS: &[&str] = &[
    "adminCreateUser",
    "adminDeleteUser",
    "adminEditUser",
    "adminGetAllUsers",
    "adminRenameUser",
    "deletePackage",
    "deletePackageVersion",
    "getLatestPackageVersion",
    "getPackage",
    "getVersion",
    "listPackageFiles",
    "listPackageVersions",
    "listPackages",
    "orgAddTeamMember",
    "orgCreate",
    "orgCreateHook",
    "orgCreateTeam",
    "orgDelete",
    "orgDeleteHook",
    "orgDeleteMember",
    "orgDeleteTeam",
    "orgEdit",
    "orgEditHook",
    "orgEditTeam",
    "orgGet",
    "orgGetAll",
    "orgGetHook",
    "orgGetTeam",
    "orgIsMember",
    "orgListCurrentUserOrgs",
    "orgListHooks",
    "orgListMembers",
    "orgListTeamMember",
    "orgListTeamMembers",
    "orgListTeams",
    "orgRemoveTeamMember",
    "renameOrg",
    "updateUserSettings",
    "userCreateToken",
    "userDeleteAccessToken",
    "userGet",
    "userGetTokens",
    "userCreateHook",
    "userDeleteHook",
    "userEditHook",
    "userGetCurrent",
    "userGetHook",
    "userListHooks",
];

/// Whether the forges have that operation.
pub(super) fn has_operation(operation: &Value) -> bool {
    let name = operation.get("operationId").and_then(Value::as_str);
    name.is_some_and(|name| OPERATIONS.contains(&name))
}

/// Describes the numbers in the query of an operation of the forges as they are read there.
pub(super) fn loosen(operation: &mut Value) {
    if !has_operation(operation) {
        return;
    }
    let parameters = operation
        .get_mut("parameters")
        .and_then(Value::as_array_mut);
    for parameter in parameters.into_iter().flatten() {
        let name = parameter.get("name").and_then(Value::as_str);
        if !matches!(name, Some("page" | "limit")) {
            continue;
        }
        if let Some(fields) = parameter.as_object_mut() {
            let schema =
                json!({ "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string" }] });
            fields.insert("schema".to_owned(), schema);
            let described = fields.get("description").and_then(Value::as_str);
            let described = described.unwrap_or_default().trim_end();
            let described = format!("{described} What is not a number counts as none.");
            fields.insert("description".to_owned(), described.into());
        }
    }
}

/// The fields that are not looked at in a body whose schema has that name.
pub(super) fn neutral(schema: &str) -> &'static [&'static str] {
    let found = NEUTRAL.iter().find(|(name, _)| *name == schema);
    found.map_or(&[], |(_, fields)| fields)
}

/// Reads a body without those fields. As without them, a field that is there twice is refused.
pub(super) fn read_without<T: DeserializeOwned>(
    neutral: &[&str],
    bytes: &[u8],
) -> Result<T, serde_json::Error> {
    let Fields(fields) = serde_json::from_slice(bytes)?;
    let kept = fields
        .iter()
        .filter(|(name, _)| !neutral.contains(&name.as_str()))
        .map(|(name, value)| (name.as_str(), &**value));
    T::deserialize(MapDeserializer::new(kept))
}

/// Names them in the description of their bodies.
pub(super) fn describe(document: &mut Value) {
    for (schema, fields) in NEUTRAL {
        let properties = format!("/components/schemas/{schema}/properties");
        let properties = document
            .pointer_mut(&properties)
            .and_then(Value::as_object_mut);
        let properties: &mut Map<String, Value> = match properties {
            Some(properties) => properties,
            None => continue,
        };
        for field in fields {
            let ignored = json!({ "description": "Taken from clients of Forgejo and Gitea, and not looked at." });
            properties.insert((*field).to_owned(), ignored);
        }
    }
}

/// 422 with that text if the condition holds.
pub(super) fn refuse_if(condition: bool, text: impl Into<String>) -> Result<(), ApiError> {
    if condition {
        return Err(ApiError::Unprocessable(text.into()));
    }
    Ok(())
}

/// The fields of an object in the order in which they came, their values as they were written.
struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it can be read counts")]
    struct Outer {
        url: String,
        config: Inner,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it can be read counts")]
    struct Inner {
        url: Option<String>,
    }

    #[test]
    fn what_is_not_looked_at_may_be_anything_and_the_rest_is_read_as_strictly_as_ever() {
        let read = |body: &str| {
            let read = read_without::<Outer>(&["name"], body.as_bytes());
            read.map(drop).map_err(|error| error.to_string())
        };
        let right = r#"{"name": {"a": [1, 2]}, "url": "a", "config": {"url": "b"}, "name": 7}"#;
        assert_eq!(read(right), Ok(()));
        for (body, words) in [
            (
                r#"{"url": "a", "config": {"url": "b", "url": "c"}}"#,
                "duplicate field `url`",
            ),
            (
                r#"{"url": "a", "url": "b", "config": {}}"#,
                "duplicate field `url`",
            ),
            (
                r#"{"url": "a", "config": {"name": 1}}"#,
                "unknown field `name`",
            ),
            (r#"{"url": 1, "config": {}}"#, "invalid type"),
            (r#"["a"]"#, "expected an object"),
            (r#"{"name": }"#, "expected value"),
        ] {
            let error = read(body).unwrap_err();
            assert!(error.contains(words), "{body}: {error}");
        }
    }

    #[test]
    fn each_list_is_named_once() {
        let names: BTreeMap<_, _> = NEUTRAL.into_iter().collect();
        assert_eq!(names.len(), NEUTRAL.len());
    }
}
