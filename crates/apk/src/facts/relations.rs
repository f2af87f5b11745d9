//! What a package says about itself in its dependencies.
//!
//! Each rule was tried on apk 2.10.1, 2.12.7, 2.12.14, 2.14.4 and 3.0.8 with `apk add`. Two providers of one name exclude
//! each other as soon as one of them gives a version, also within one package, and a package provides its own name with its
//! own version (apk-tools 3 `src/solver.c`, `apply_constraint` and `select_package`; `src/apk_package.h`,
//! `APK_PROVIDER_FROM_PACKAGE`). A name without a version may be provided twice.

use std::collections::HashMap;

use super::{FactsError, Format, PackageFacts};
use crate::{
    dependency::{Dependency, Operator},
    quoted::Quoted,
};

/// Refuses what can't be installed because of what it says about itself.
pub(super) fn check(facts: &PackageFacts) -> Result<(), FactsError> {
    check_provides(facts)?;
    facts
        .depends
        .iter()
        .filter(|one| one.name() == facts.name.as_str())
        .try_for_each(|one| check_own_dependency(facts, one))
}

fn check_provides(facts: &PackageFacts) -> Result<(), FactsError> {
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
    Ok(())
}

/// A dependency on the package's own name. A version that apk can't order is left alone, for what satisfies it is not the
/// same in every apk.
fn check_own_dependency(facts: &PackageFacts, one: &Dependency) -> Result<(), FactsError> {
    let field = facts.format.names().depends;
    let is_met = match (one.operator(), one.version()) {
        (Operator::Any, _) => true,
        (operator, Some(wanted)) if facts.version.is_orderable() => {
            facts.version.satisfies(operator, wanted)
        }
        _ => return Ok(()),
    };
    match (one.conflict(), is_met, facts.format) {
        // apk 3 installs it, and no other reads a v3 package.
        (true, true, Format::V2 { .. }) => Err(FactsError::ExcludesItself {
            field,
            dependency: quoted(one),
        }),
        (false, false, _) => Err(FactsError::DependsOnOtherItself {
            field,
            dependency: quoted(one),
            version: Quoted::new(facts.version.as_str()),
        }),
        _ => Ok(()),
    }
}

fn quoted(dependency: &Dependency) -> Quoted {
    Quoted::new(&dependency.to_string())
}
