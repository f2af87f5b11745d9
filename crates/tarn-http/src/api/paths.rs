//! The segments of the API's paths that vary, each by itself: a handler takes those it needs, and its description names the
//! same.

use apk::{limits::Limits, name::PackageName, sign::KeyName, version::Version};
use serde::{Deserialize, de::DeserializeOwned};
use utoipa::IntoParams;

use crate::{code::Code, error::ApiError};
use tarn_base::names::OwnerName;
use tarn_store::metadata::OwnerKind;

/// A segment with a name of the kind that owners have.
pub(crate) trait Named: DeserializeOwned + Send {
    /// The segment, as it came.
    fn name(&self) -> &str;

    /// The name. A name that breaks the grammar is `missing`: no owner has it.
    fn parse(&self, missing: impl FnOnce() -> ApiError) -> Result<OwnerName, ApiError> {
        OwnerName::parse(self.name()).map_err(|_| missing())
    }
}

/// A segment that names an owner.
pub(crate) trait OfOwner: Named {
    /// Which kind of owner it has to be; none: any.
    const KIND: Option<OwnerKind>;
}

macro_rules! of_owner {
    ($(#[$doc:meta])* $path:ident, $field:ident, $what:literal, $example:literal $(, $kind:expr)?) => {
        $(#[$doc])*
        #[derive(Deserialize, IntoParams)]
        #[into_params(parameter_in = Path)]
        pub(crate) struct $path {
            #[doc = $what]
            #[param(
                min_length = 1,
                max_length = 64,
                pattern = "^[A-Za-z0-9_+-][A-Za-z0-9_.+-]*$",
                example = $example
            )]
            $field: String,
        }

        impl Named for $path {
            fn name(&self) -> &str {
                &self.$field
            }
        }

        $(impl OfOwner for $path {
            const KIND: Option<OwnerKind> = $kind;
        })?
    };
}

of_owner! {
    /// Any owner.
    OwnerPath, owner, "The name of a user or an organisation, in any letters' case.", "alice", None
}
of_owner! {
    /// A user.
    UserPath, username, "The name of a user, in any letters' case.", "alice", Some(OwnerKind::User)
}
of_owner! {
    /// An organisation.
    OrganisationPath, org, "The name of an organisation, in any letters' case.", "acme", Some(OwnerKind::Organisation)
}
of_owner! {
    /// A former name. No caller is authorised by it.
    FormerNamePath, name, "A name that an owner had, in any letters' case.", "alice"
}

/// A package of the owner.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct PackagePath {
    /// The package's name.
    #[param(
        min_length = 1,
        max_length = 128,
        pattern = "^[A-Za-z0-9_][A-Za-z0-9_+.-]*$",
        example = "hello"
    )]
    name: String,
}

impl PackagePath {
    /// The name. One that breaks the grammar is one that no package has.
    pub(crate) fn parse(&self) -> Result<PackageName, ApiError> {
        PackageName::parse(&self.name).map_err(|_| no_such_version())
    }
}

/// A version of the package.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct VersionPath {
    /// The version, as written in the package.
    #[param(
        min_length = 1,
        max_length = 128,
        pattern = "^[0-9A-Za-z][0-9A-Za-z._+~-]*$",
        example = "1.0-r0"
    )]
    version: String,
}

impl VersionPath {
    /// The version. One that breaks the grammar is one that no package has.
    pub(crate) fn parse(&self) -> Result<Version, ApiError> {
        Version::parse_lenient(&self.version, &Limits::default()).map_err(|_| no_such_version())
    }
}

/// 404 for what is not a version of a package.
pub(crate) fn no_such_version() -> ApiError {
    ApiError::Refused(
        Code::NoSuchPackage,
        "the owner has no such version of such a package; the list of packages names what there is"
            .to_owned(),
    )
}

/// 404 for what is in no list of the owner.
pub(crate) fn not_listed(code: Code, what: &str) -> ApiError {
    let text = format!("the owner has no such {what}; the list names those there are");
    ApiError::Refused(code, text)
}

/// A signing key of the owner.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct KeyPath {
    /// The name of the key's file.
    #[param(min_length = 1, max_length = 200, example = "alice@5f0b.rsa.pub")]
    name: String,
}

impl KeyPath {
    /// The name. One that breaks the grammar is one that no key has.
    pub(crate) fn parse(&self) -> Result<KeyName, ApiError> {
        KeyName::parse(&self.name).map_err(|_| not_listed(Code::NoSuchKey, "key"))
    }
}

/// A token of the owner.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct TokenPath {
    /// The number of a token, or its name.
    #[param(min_length = 1, max_length = 64, example = "ci")]
    pub(crate) token: String,
}

/// A webhook of the owner.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct HookPath {
    /// The number of a webhook.
    #[param(value_type = i64, minimum = 1, example = 5)]
    id: String,
}

impl HookPath {
    /// The number. What is none is that of no webhook.
    pub(crate) fn number(&self) -> Result<i64, ApiError> {
        let number = self.id.parse();
        number.map_err(|_| not_listed(Code::NoSuchWebhook, "webhook"))
    }
}

/// A segment that is a number.
macro_rules! number {
    ($(#[$doc:meta])* $path:ident, $field:ident, $what:literal, $example:literal) => {
        $(#[$doc])*
        #[derive(Deserialize, IntoParams)]
        #[into_params(parameter_in = Path)]
        pub(crate) struct $path {
            #[doc = $what]
            #[param(value_type = i64, minimum = 1, example = $example)]
            $field: String,
        }

        impl $path {
            /// The number, where it is one.
            pub(crate) fn number(&self) -> Option<i64> {
                self.$field.parse().ok()
            }
        }
    };
}

number! {
    /// A message to the webhook.
    DeliveryPath, delivery, "The number of a message.", 88
}
number! {
    /// A team.
    TeamPath, id, "The number of a team.", 4
}
number! {
    /// A rule of the owner.
    RulePath, id, "The number of a rule.", 2
}
number! {
    /// A deleted package file.
    DeletedPath, id, "The number of a deleted package file.", 1021
}
