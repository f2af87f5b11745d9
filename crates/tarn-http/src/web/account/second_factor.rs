//! `/-/settings/second-factor`: turning on the code of a generator, and off again.

use askama::Template;
use axum::response::Response;
use qrcode::{QrCode, render::svg};

use super::super::{
    form::{Form, Problem},
    manage::{Managed, Own, Shell, or_problem},
    page::Frame,
    shown,
};
use crate::{api::second_factor::ISSUER, error::ApiError};
use tarn_base::secret::Secret;
use tarn_core::access::{Code, FactorError, FactorState, Proof};

const TITLE: &str = "Second factor";
const SECTION: &str = "/second-factor";

#[derive(Template)]
#[template(path = "account/second_factor.html")]
struct FactorPage<'a> {
    frame: &'a Frame,
    shell: &'a Shell,
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

pub(super) async fn show(Own(own): Own) -> Result<Response, ApiError> {
    page(&own, None, None, Vec::new()).await
}

async fn page(
    own: &Managed,
    problem: Option<Problem>,
    enrolment: Option<Enrolment>,
    recovery_codes: Vec<Secret>,
) -> Result<Response, ApiError> {
    let factors = own.registry.second_factors();
    let shell = own.own_shell(SECTION, TITLE, problem);
    let page = FactorPage {
        frame: own.frame(),
        shell: &shell,
        state: factors.state(&own.name).await?,
        enrolment,
        recovery_codes,
    };
    own.show(&page, &shell)
}

/// Makes a secret, and shows it.
pub(super) async fn begin(Own(own): Own, form: Form) -> Result<Response, ApiError> {
    let begun = async {
        own.needs_password(&form).await?;
        let factors = own.registry.second_factors();
        let uri = factors.begin(&own.name, ISSUER, &own.by).await?;
        Enrolment::of(&uri)
    };
    match or_problem(begun.await)? {
        Ok(enrolment) => page(&own, None, Some(enrolment), Vec::new()).await,
        Err(problem) => page(&own, Some(problem), None, Vec::new()).await,
    }
}

/// Puts it in force by a code, and shows the recovery codes. Other sessions end.
pub(super) async fn confirm(Own(own): Own, form: Form) -> Result<Response, ApiError> {
    let confirmed = async {
        let code = code(&form)?;
        let factors = own.registry.second_factors();
        noted(&own, factors.confirm(&own.name, &code, &own.by).await)
    };
    match or_problem(confirmed.await)? {
        Ok(codes) => {
            let mut response = page(&own, None, None, codes).await?;
            own.sign_in_again(&mut response).await?;
            Ok(response)
        }
        Err(problem) => page(&own, Some(problem), None, Vec::new()).await,
    }
}

pub(super) async fn disable(Own(own): Own, form: Form) -> Result<Response, ApiError> {
    let disabled = async {
        own.needs_password(&form).await?;
        let code = code(&form)?;
        let factors = own.registry.second_factors();
        let proof = Proof::Code(&code);
        noted(&own, factors.disable(&own.name, proof, &own.by).await)
    };
    match or_problem(disabled.await)? {
        Ok(()) => {
            let notice = "The second factor is off. The password is enough to sign in.";
            let mut response = own.done("/-/settings/second-factor", notice)?;
            own.sign_in_again(&mut response).await?;
            Ok(response)
        }
        Err(problem) => page(&own, Some(problem), None, Vec::new()).await,
    }
}

/// Makes new recovery codes.
pub(super) async fn renew(Own(own): Own, form: Form) -> Result<Response, ApiError> {
    let renewed = async {
        own.needs_password(&form).await?;
        let code = code(&form)?;
        let factors = own.registry.second_factors();
        let proof = Proof::Code(&code);
        noted(
            &own,
            factors
                .renew_recovery_codes(&own.name, proof, &own.by)
                .await,
        )
    };
    match or_problem(renewed.await)? {
        Ok(codes) => {
            let mut response = page(&own, None, None, codes).await?;
            own.sign_in_again(&mut response).await?;
            Ok(response)
        }
        Err(problem) => page(&own, Some(problem), None, Vec::new()).await,
    }
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
