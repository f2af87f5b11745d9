//! What a package says about itself in its dependencies.
//!
//! Each rule was tried on apk 2.10.1, 2.12.7, 2.12.14, 2.14.4 and 3.0.8 with `apk add`. Two providers of one name exclude
//! each other as soon as one of them gives a version, also within one package, and a package provides its own name with its
//! own version (apk-tools 3 `src/solver.c`, `apply_constraint` and `select_package`; `src/apk_package.h`,
//! `APK_PROVIDER_FROM_PACKAGE`). A name without a version may be provided twice.

use std::collections::HashMap;

use super::PkginfoError;
use crate::{
    dependency::{Dependency, Operator},
    package_info::PackageInfo,
    quoted::Quoted,
};

/// Refuses what can't be installed because of what it says about itself.
pub(super) fn check(info: &PackageInfo) -> Result<(), PkginfoError> {
    check_provides(info)?;
    info.depends
        .iter()
        .filter(|one| one.name() == info.name.as_str())
        .try_for_each(|one| check_own_dependency(info, one))
}

fn check_provides(info: &PackageInfo) -> Result<(), PkginfoError> {
    let mut seen: HashMap<&str, &Dependency> = HashMap::new();
    for one in &info.provides {
        if one.name() == info.name.as_str() {
            return Err(PkginfoError::ProvidesItself {
                dependency: quoted(one),
            });
        }
        if let Some(earlier) = seen.insert(one.name(), one)
            && (earlier.operator() != Operator::Any || one.operator() != Operator::Any)
        {
            return Err(PkginfoError::ProvidesTwice {
                one: quoted(earlier),
                other: quoted(one),
            });
        }
    }
    Ok(())
}

/// A dependency on the package's own name. A version that apk can't order is left alone, for what satisfies it is not the
/// same in every apk.
fn check_own_dependency(info: &PackageInfo, one: &Dependency) -> Result<(), PkginfoError> {
    let is_met = match (one.operator(), one.version()) {
        (Operator::Any, _) => true,
        (operator, Some(wanted)) if info.version.is_orderable() => {
            info.version.satisfies(operator, wanted)
        }
        _ => return Ok(()),
    };
    match (one.conflict(), is_met) {
        (true, true) => Err(PkginfoError::ExcludesItself {
            dependency: quoted(one),
        }),
        (false, false) => Err(PkginfoError::DependsOnOtherItself {
            dependency: quoted(one),
            version: Quoted::new(info.version.as_str()),
        }),
        _ => Ok(()),
    }
}

fn quoted(dependency: &Dependency) -> Quoted {
    Quoted::new(&dependency.to_string())
}
