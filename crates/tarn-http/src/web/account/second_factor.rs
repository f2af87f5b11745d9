//! `/-/settings/second-factor`: turning on the code of a generator, and off again.

use askama::Template;
use axum::response::Response;
use qrcode::{QrCode, render::svg};

use super::super::{
    form::Form,
    manage::{Managed, Shell, or_again},
    page::Frame,
    shown,
};
use crate::{api::second_factor::ISSUER, error::ApiError};
use tarn_base::secret::Secret;
use tarn_core::access::{Code, FactorError, FactorState, Proof};

#[derive(Template)]
#[template(path = "account/second_factor.html")]
struct FactorPage<'a> {
    frame: &'a Frame,
    shell: Shell,
    state: FactorState,
    /// What a generator reads: shown when it is made, and not again.
    enrolment: Option<Enrolment>,
    /// Shown when they are made, and not again.
    recovery_codes: Vec<Secret>,
}

/// The secret, as a picture and as text.
struct Enrolment {
    /// An SVG element.
    picture: String,
    /// Only the secret, in groups of four, to be typed.
    secret: String,
    uri: String,
}

impl Enrolment {
    fn of(uri: &Secret) -> Result<Self, ApiError> {
        let uri = uri.expose();
        let code = QrCode::new(uri).map_err(|error| ApiError::Internal(error.into()))?;
        // The quiet zone is part of it, and dark on light whatever the colours of the page: scanners want that.
        let picture = code
            .render::<svg::Color<'_>>()
            .min_dimensions(220, 220)
            .build();
        // Without the line that only a file has.
        let picture = picture
            .find("<svg")
            .and_then(|at| picture.get(at..))
            .unwrap_or_default();
        let secret = uri
            .split(['?', '&'])
            .find_map(|pair| pair.strip_prefix("secret="));
        let letters: Vec<char> = secret.unwrap_or_default().chars().collect();
        let groups: Vec<String> = letters
            .chunks(4)
            .map(|group| group.iter().collect())
            .collect();
        Ok(Self {
            picture: picture.to_owned(),
            secret: groups.join(" "),
            uri: uri.to_owned(),
        })
    }
}

pub(super) async fn show(own: Managed) -> Result<Response, ApiError> {
    page(&own, None, Vec::new()).await
}

async fn page(
    own: &Managed,
    enrolment: Option<Enrolment>,
    recovery_codes: Vec<Secret>,
) -> Result<Response, ApiError> {
    let factors = own.registry.second_factors();
    let page = FactorPage {
        frame: &own.frame,
        shell: own.own_shell("/second-factor", "Second factor"),
        state: factors.state(&own.name).await?,
        enrolment,
        recovery_codes,
    };
    own.answer(&page)
}

/// Makes a secret, and shows it.
pub(super) async fn begin(own: Managed, form: Form) -> Result<Response, ApiError> {
    let begun = async {
        own.needs_password(&form).await?;
        let factors = own.registry.second_factors();
        let uri = factors.begin(&own.name, ISSUER, &own.by).await?;
        page(&own, Some(Enrolment::of(&uri)?), Vec::new()).await
    };
    let begun = begun.await;
    or_again(begun, own, form, show).await
}

/// Puts it in force by a code, and shows the recovery codes. Other sessions end.
pub(super) async fn confirm(own: Managed, form: Form) -> Result<Response, ApiError> {
    let confirmed = async {
        let code = code(&form)?;
        let factors = own.registry.second_factors();
        let codes = factors.confirm(&own.name, &code, &own.by).await;
        show_codes(&own, noted(&own, codes)?).await
    };
    let confirmed = confirmed.await;
    or_again(confirmed, own, form, show).await
}

pub(super) async fn disable(own: Managed, form: Form) -> Result<Response, ApiError> {
    let disabled = async {
        own.needs_password(&form).await?;
        let code = code(&form)?;
        let factors = own.registry.second_factors();
        let proof = Proof::Code(&code);
        noted(&own, factors.disable(&own.name, proof, &own.by).await)?;
        let notice = "The second factor is off. The password is enough to sign in.";
        let answer = own.done("/-/settings/second-factor", notice)?;
        own.signed_in_again(answer).await
    };
    let disabled = disabled.await;
    or_again(disabled, own, form, show).await
}

/// Makes new recovery codes.
pub(super) async fn renew(own: Managed, form: Form) -> Result<Response, ApiError> {
    let renewed = async {
        own.needs_password(&form).await?;
        let code = code(&form)?;
        let factors = own.registry.second_factors();
        let codes = factors.renew_recovery_codes(&own.name, Proof::Code(&code), &own.by);
        show_codes(&own, noted(&own, codes.await)?).await
    };
    let renewed = renewed.await;
    or_again(renewed, own, form, show).await
}

/// Shows recovery codes once, to a browser with a new session.
async fn show_codes(own: &Managed, codes: Vec<Secret>) -> Result<Response, ApiError> {
    own.signed_in_again(page(own, None, codes).await?).await
}

fn code(form: &Form) -> Result<Code, ApiError> {
    Code::parse(form.text("code").as_bytes()).map_err(|error| ApiError::invalid_field(&error))
}

/// A code that is refused is written down.
fn noted<T>(own: &Managed, done: Result<T, FactorError>) -> Result<T, ApiError> {
    Ok(done.inspect_err(|error| {
        if error.is_refusal() {
            own.note(error);
        }
    })?)
}
