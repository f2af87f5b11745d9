//! That what can be tried again is not called a fault.

use axum::{
    http::{StatusCode, header},
    response::IntoResponse,
};

use super::*;
use tarn_store::metadata::MetadataError;

#[test]
fn no_space_for_the_first_key_of_an_owner_is_507_for_a_reader_of_an_index() {
    let full = || MetadataError::Full("no space".into());
    for error in [IndexError::from(full()), IndexError::Keys(full().into())] {
        let status = ApiError::from(error).code().status();
        assert_eq!(status, StatusCode::INSUFFICIENT_STORAGE);
    }
}

#[test]
fn a_busy_database_is_for_trying_again_whatever_needed_it() {
    let busy = || MetadataError::Busy("the disk is slow".into());
    let unreachable = MetadataError::Unreachable("connection refused".into());
    for error in [
        ApiError::from(unreachable),
        ApiError::from(busy()),
        IndexError::from(busy()).into(),
        IndexError::Keys(busy().into()).into(),
        PublishError::from(busy()).into(),
        PublishError::Record(busy().into()).into(),
        KeyError::from(busy()).into(),
        AuthError::from(busy()).into(),
        ExpiryError::from(busy()).into(),
        WebhookError::from(busy()).into(),
        FactorError::from(busy()).into(),
        AccountError::from(busy()).into(),
    ] {
        let response = error.into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "5");
    }
}

#[test]
fn an_index_that_its_format_has_no_room_for_is_refused_in_words() {
    let error = IndexError::Full(apk::v3::writer::PayloadFull);
    let ApiError::Refused(code, text) = ApiError::from(error) else {
        unreachable!("a refusal")
    };
    assert_eq!(code, Code::IndexFull);
    assert!(text.contains("put fewer packages into one index"), "{text}");
}
