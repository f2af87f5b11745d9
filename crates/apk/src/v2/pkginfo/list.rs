//! What a key lists that may stand on several lines.

use crate::{
    dependency::{Dependency, Operator},
    facts::Length,
    limits::Limits,
    quoted::Quoted,
    v2::pkginfo::PkginfoError,
};

/// The dependencies of one key. They are kept while they fit into one line of an index; what comes after is only counted,
/// for it will be refused.
#[derive(Debug, Default)]
pub(super) struct List {
    pub(super) kept: Vec<Dependency>,
    pub(super) length: Length,
}

impl List {
    /// Adds what one line lists.
    pub(super) fn add(
        &mut self,
        field: &'static str,
        value: &str,
        limits: &Limits,
    ) -> Result<(), PkginfoError> {
        let wrong = |source| PkginfoError::Dependency { field, source };
        for dependency in Dependency::read_list(value, limits).map_err(wrong)? {
            let dependency = dependency.map_err(wrong)?;
            check_writable(field, &dependency)?;
            self.length.add(dependency.to_string().len());
            if self.length.bytes <= limits.index_line {
                self.kept.push(dependency);
            }
        }
        Ok(())
    }
}

/// apk 2 writes these operators as `?` into its installed database (apk-tools 2.14 `src/version.c`,
/// `apk_version_op_string`). It then reads a dependency on a package that does not exist, and installs nothing more.
fn check_writable(field: &'static str, dependency: &Dependency) -> Result<(), PkginfoError> {
    match dependency.operator() {
        Operator::LessOrFuzzy | Operator::GreaterOrFuzzy => Err(PkginfoError::Unwritable {
            field,
            dependency: Quoted::new(&dependency.to_string()),
        }),
        _ => Ok(()),
    }
}
