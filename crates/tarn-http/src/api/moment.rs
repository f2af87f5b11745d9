//! A moment, as JSON has it.

use serde::{Serialize, Serializer};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use utoipa::ToSchema;

use tarn_base::clock::Timestamp;

/// A moment in RFC 3339, in whole seconds and UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-11-22T21:00:00Z")]
pub(crate) struct Moment(Timestamp);

impl From<Timestamp> for Moment {
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let moment = OffsetDateTime::from_unix_timestamp(self.0.seconds())
            .map_err(serde::ser::Error::custom)?;
        let text = moment.format(&Rfc3339).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_in_utc_and_whole_seconds() {
        let moment = Moment::from(Timestamp::from_micros(1_795_381_200_999_999));
        assert_eq!(
            serde_json::to_string(&moment).unwrap(),
            r#""2026-11-22T21:00:00Z""#
        );
    }
}
