//! Dependencies between their text and their object.

use std::cmp::Ordering;

use crate::{
    dependency::{Dependency, Operator},
    v3::{
        schema::dependency::{
            ANY, CHECKSUM, CONFLICT, EQUAL, FUZZY, GREATER, LESS, MATCH, NAME, SLOTS, VERSION,
        },
        value::Value,
        writer::{PayloadFull, Writer},
    },
};

/// The bits of an operator, without a conflict's (apk-tools `src/version.c`, `apk_version_result_mask_blob`).
fn bits(operator: Operator) -> u64 {
    match operator {
        Operator::Any => ANY,
        Operator::Equal => EQUAL,
        Operator::Less => LESS,
        Operator::LessOrEqual => LESS | EQUAL,
        Operator::Greater => GREATER,
        Operator::GreaterOrEqual => GREATER | EQUAL,
        Operator::Fuzzy => FUZZY | EQUAL,
        Operator::LessOrFuzzy => LESS | FUZZY | EQUAL,
        Operator::GreaterOrFuzzy => GREATER | FUZZY | EQUAL,
        Operator::Checksum => CHECKSUM,
    }
}

/// What is in the slot for the match: null where apk leaves it out (`src/apk_adb.c`, `dependency_fromstring`).
fn match_bits(dependency: &Dependency) -> Option<u64> {
    let conflict = if dependency.conflict() { CONFLICT } else { 0 };
    let bits = bits(dependency.operator()) | conflict;
    (bits != ANY && bits != EQUAL).then_some(bits)
}

/// The order of a dependency array: name, version, match (apk-tools `src/apk_adb.c`, `schema_dependency`).
///
/// apk finds no order between a version and none, so it goes by the match bits alone there, which makes no order for
/// three. Here one without a version is first, a conflict without a version last, and `><` before the versions: where
/// apk's bits put them when there are two.
fn order(one: &Dependency, other: &Dependency) -> Ordering {
    let version = match (one.version(), other.version()) {
        (Some(one), Some(other)) => one.compare(other),
        _ => class(one).cmp(&class(other)),
    };
    one.name()
        .cmp(other.name())
        .then(version)
        .then_with(|| match_bits(one).cmp(&match_bits(other)))
        .then_with(|| one.identity().cmp(&other.identity()))
        .then_with(|| text(one).cmp(&text(other)))
}

fn class(dependency: &Dependency) -> u8 {
    match (dependency.operator(), dependency.conflict()) {
        (Operator::Any, false) => 0,
        (Operator::Checksum, _) => 1,
        (Operator::Any, true) => 3,
        _ => 2,
    }
}

/// The version as it is spelled.
fn text(dependency: &Dependency) -> Option<&str> {
    dependency.version().map(crate::version::Version::as_str)
}

/// Writes a list as a sorted array without repetitions; null when it is empty.
pub fn write_list(writer: &mut Writer, dependencies: &[Dependency]) -> Result<Value, PayloadFull> {
    let mut sorted: Vec<&Dependency> = dependencies.iter().collect();
    sorted.sort_by(|one, other| order(one, other));
    let mut values = Vec::with_capacity(sorted.len());
    for dependency in sorted {
        values.push(write_one(writer, dependency)?);
    }
    values.dedup();
    writer.array(&values)
}

fn write_one(writer: &mut Writer, dependency: &Dependency) -> Result<Value, PayloadFull> {
    let mut fields = [Value::NULL; SLOTS - 1];
    fields[NAME - 1] = writer.blob(dependency.name().as_bytes())?;
    fields[VERSION - 1] = match (dependency.version(), dependency.identity()) {
        (Some(version), _) => writer.blob(version.as_str().as_bytes())?,
        (None, Some(identity)) => writer.blob(identity.to_index_field().as_bytes())?,
        (None, None) => Value::NULL,
    };
    if let Some(bits) = match_bits(dependency) {
        fields[MATCH - 1] = writer.integer(bits)?;
    }
    writer.object(&fields)
}

/// The text of a dependency with these fields, `None` when the match bits mean nothing or do not go with the version.
///
/// Its own table, not [`bits`] turned around: the reader is there to find what the writer does wrong.
pub(in crate::v3) fn to_text(name: &str, version: &str, bits: Option<u64>) -> Option<String> {
    let bits = bits.unwrap_or(if version.is_empty() { 7 } else { 1 });
    let conflict = if bits & 16 == 0 { "" } else { "!" };
    let operator = match bits & !16 {
        1 => "=",
        2 => "<",
        3 => "<=",
        4 => ">",
        5 => ">=",
        6 => "><",
        7 => "",
        8 | 9 => "~",
        11 => "<~",
        13 => ">~",
        _ => return None,
    };
    (operator.is_empty() == version.is_empty())
        .then(|| format!("{conflict}{name}{operator}{version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_match_bits_of_every_operator_are_those_of_apk() {
        for (text, bits) in [
            ("a", None),
            ("a=1", None),
            ("a<1", Some(2)),
            ("a<=1", Some(3)),
            ("a>1", Some(4)),
            ("a>=1", Some(5)),
            ("a~1", Some(9)),
            ("a=~1", Some(9)),
            ("a<~1", Some(11)),
            ("a>~1", Some(13)),
            ("!a", Some(23)),
            ("!a=1", Some(17)),
            ("!a<1", Some(18)),
            ("a><Q19UI7UxyiUywG6aew9c3lCBPshsE=", Some(6)),
        ] {
            let dependency = Dependency::parse(text).unwrap();
            assert_eq!(match_bits(&dependency), bits, "{text}");
        }
    }

    #[test]
    fn fields_are_read_back_to_the_text() {
        for (version, bits, text) in [
            ("", None, Some("a")),
            ("1", None, Some("a=1")),
            ("1", Some(13), Some("a>~1")),
            ("1", Some(8), Some("a~1")),
            ("", Some(23), Some("!a")),
            ("1", Some(17), Some("!a=1")),
            ("", Some(2), None),
            ("1", Some(7), None),
            ("1", Some(0), None),
            ("1", Some(15), None),
            ("1", Some(1 << 32), None),
        ] {
            assert_eq!(
                to_text("a", version, bits).as_deref(),
                text,
                "{version} {bits:?}"
            );
        }
    }

    #[test]
    fn a_list_is_sorted_by_name_version_and_match() {
        let list = "b a>2 a<10 !a a=1.0 a=1.00 a a>=2";
        let mut list = Dependency::parse_list(list).unwrap();
        list.sort_by(order);
        let texts: Vec<String> = list.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            ["a", "a=1.0", "a=1.00", "a>2", "a>=2", "a<10", "!a", "b"]
        );
    }
}
