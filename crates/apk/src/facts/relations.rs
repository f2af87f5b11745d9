//! What a package says about itself in its dependencies.
//!
//! Each rule was tried on apk 2.10.1, 2.12.7, 2.12.14, 2.14.4 and 3.0.8 with `apk add`. Two providers of one name exclude
//! each other as soon as one of them gives a version, also within one package, and a package provides its own name with its
//! own version (apk-tools 3 `src/solver.c`, `apply_constraint` and `select_package`; `src/apk_package.h`,
//! `APK_PROVIDER_FROM_PACKAGE`). A name without a version may be provided twice.
//!
//! So nothing else meets a dependency on a name that the package provides with a version, and an exclusion of such a name excludes
//! the package itself.

use std::collections::HashMap;

use super::{FactsError, Format, PackageFacts};
use crate::{
    dependency::{Dependency, Operator},
    quoted::Quoted,
    version::Version,
};

/// Refuses what can't be installed because of what it says about itself.
pub(super) fn check(facts: &PackageFacts) -> Result<(), FactsError> {
    let provided = check_provides(facts)?;
    for one in &facts.depends {
        if one.name() == facts.name.as_str() {
            check_own_dependency(facts, one, Some(&facts.version), ITSELF)?;
        } else if let Some(own) = provided.get(one.name()) {
            check_own_dependency(facts, one, own.version(), PROVIDED)?;
        }
    }
    Ok(())
}

const ITSELF: &str = "the package itself";
const PROVIDED: &str = "what the package itself provides";

/// What it provides, by name.
fn check_provides(facts: &PackageFacts) -> Result<HashMap<&str, &Dependency>, FactsError> {
    let field = facts.format.names().provides;
    let mut seen: HashMap<&str, &Dependency> = HashMap::new();
    for one in &facts.provides {
        if one.name() == facts.name.as_str() {
            return Err(FactsError::ProvidesItself {
                field,
                dependency: quoted(one),
            });
        }
        if let Some(earlier) = seen.insert(one.name(), one)
            && (earlier.operator() != Operator::Any || one.operator() != Operator::Any)
        {
            return Err(FactsError::ProvidesTwice {
                field,
                one: quoted(earlier),
                other: quoted(one),
            });
        }
    }
    Ok(seen)
}

/// A dependency on a name that the package has, with that version. One that apk can't order is left alone, for what satisfies it is
/// not the same in every apk; without one, another package may meet the dependency.
fn check_own_dependency(
    facts: &PackageFacts,
    one: &Dependency,
    own: Option<&Version>,
    what: &'static str,
) -> Result<(), FactsError> {
    let field = facts.format.names().depends;
    let is_met = match (one.operator(), one.version(), own) {
        (Operator::Any, _, _) => true,
        (operator, Some(wanted), Some(own)) if own.is_orderable() => {
            own.satisfies(operator, wanted)
        }
        _ => return Ok(()),
    };
    match (one.conflict(), is_met, facts.format) {
        // apk 3 installs it, and no other reads a v3 package.
        (true, true, Format::V2 { .. }) => Err(FactsError::ExcludesItself {
            field,
            dependency: quoted(one),
            what,
        }),
        (false, false, _) => Err(FactsError::DependsOnOtherItself {
            field,
            dependency: quoted(one),
            what,
            version: Quoted::new(own.map_or("", Version::as_str)),
        }),
        _ => Ok(()),
    }
}

fn quoted(dependency: &Dependency) -> Quoted {
    Quoted::new(&dependency.to_string())
}
