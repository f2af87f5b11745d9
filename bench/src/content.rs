//! Are the two sides the same? A ratio between different things says nothing.

use std::collections::BTreeSet;

use apk::{limits::Limits, v2::index};

use crate::Result;

/// The records of an index, inflated and read, whatever their order. Its signature is not looked at here.
pub(crate) fn records(index: &[u8]) -> Result<BTreeSet<String>> {
    let mut records = BTreeSet::new();
    let summary = index::for_each_record(index, &Limits::default(), None, |record| {
        records.insert(record.to_string());
    })?;
    if records.len() as u64 != summary.records {
        return Err("an index lists a package twice".into());
    }
    Ok(records)
}

/// # Errors
///
/// When the records of the two sides are not the same.
pub(crate) fn same_records(
    what: &str,
    one: &BTreeSet<String>,
    other: &BTreeSet<String>,
) -> Result<()> {
    if one == other {
        return Ok(());
    }
    let example = one.symmetric_difference(other).next();
    Err(format!(
        "no ratio for {what}: one side has {} records, the other {}, and they differ, for example in\n{}",
        one.len(),
        other.len(),
        example.map_or("", String::as_str)
    )
    .into())
}

/// # Errors
///
/// When the bytes of the two sides are not the same.
pub(crate) fn same_bytes(what: &str, one: &[u8], other: &[u8]) -> Result<()> {
    if one == other {
        return Ok(());
    }
    Err(format!(
        "no ratio for {what}: one side has {} bytes, the other {}, and they differ",
        one.len(),
        other.len()
    )
    .into())
}

#[cfg(test)]
mod tests {
    use apk::v2::index::Description;

    use super::*;
    use crate::corpus;

    fn index(records: &[String]) -> Vec<u8> {
        let records = records.iter().map(String::as_str);
        index::write(records, &Description::default(), 0, 6)
    }

    #[test]
    fn indexes_of_other_records_are_distinguished() {
        let mut texts: Vec<String> = corpus::entries(5, 3)
            .iter()
            .map(|entry| corpus::rendered(&entry.indexed(1).unwrap()).unwrap())
            .collect();
        let all = records(&index(&texts)).unwrap();
        texts.reverse();
        same_records("x", &all, &records(&index(&texts)).unwrap()).unwrap();
        texts.pop();
        let fewer = records(&index(&texts)).unwrap();
        assert!(same_records("x", &all, &fewer).is_err());
        texts.push(texts[0].clone());
        assert!(records(&index(&texts)).is_err());
    }

    #[test]
    fn other_bytes_are_distinguished() {
        assert!(same_bytes("x", b"a", b"b").is_err());
        same_bytes("x", b"a", b"a").unwrap();
    }
}
