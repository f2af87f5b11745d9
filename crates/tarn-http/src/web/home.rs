//! `/`: what there is to be read here, and a search over it.

use askama::Template;
use axum::{extract::State, response::Response};

use super::page::{Frame, Keep, Visit};
use crate::error::ApiError;
use tarn_core::Registry;
use tarn_store::metadata::{CatalogOwner, OwnersWanted, Window};

/// How many owners are named.
const OWNERS: u32 = 50;

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    frame: Frame,
    owners: Vec<CatalogOwner>,
}

/// The page.
pub(super) async fn show(
    State(registry): State<Registry>,
    visit: Visit,
) -> Result<Response, ApiError> {
    let scope = visit.viewer.read_scope(&registry).await?;
    let window = Window {
        offset: 0,
        limit: OWNERS,
    };
    let wanted = OwnersWanted::default();
    let owners = registry
        .metadata()
        .visible_owners(&scope, wanted, window)
        .await?;
    let page = Home {
        frame: visit.frame.clone(),
        owners: owners.entries,
    };
    visit.show(&page, Keep::Revalidated)
}
