//! Webhooks: `/api/v1/user/hooks` and `/api/v1/orgs/{org}/hooks`, with the field names of Forgejo and Gitea. The secret is
//! shown once, where it was made here.

mod routes;

use axum::{Json, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

pub(crate) use self::routes::{organisation, own};
use super::{
    administer::Administered,
    forges::refuse_if,
    moment::Moment,
    paging::{ListUrl, Number, Pages},
    paths::{DeliveryPath, HookPath},
    words::{EVENTS, Event, MessageEvent, State},
};
use crate::{code::Code, error::ApiError};
use tarn_base::secret::Secret;
use tarn_core::{
    access::Action,
    webhooks::{ChangeOrder, SecretChange, Webhook, WebhookError, WebhookOrder},
};
use tarn_store::metadata::{Delivery, WebhookEvent, WebhookEvents};

/// A webhook.
#[derive(Serialize, ToSchema)]
pub(crate) struct Hook {
    /// Which one. Never given out twice.
    #[schema(example = 5)]
    id: i64,
    /// Whose form the messages have: always `tarn`.
    #[serde(rename = "type")]
    #[schema(example = "tarn", pattern = "^tarn$")]
    kind: &'static str,
    /// The URL of the receiver.
    config: HookConfig,
    /// The events it gets.
    #[schema(example = json!(["published"]))]
    events: Vec<&'static str>,
    /// Whether events are sent to it at present.
    active: bool,
    /// When it was made.
    created_at: Moment,
}

/// Where a webhook leads.
#[derive(Serialize, ToSchema)]
struct HookConfig {
    /// The URL.
    #[schema(example = "https://hooks.example/tarn")]
    url: String,
    /// Always `json`.
    #[schema(example = "json", pattern = "^json$")]
    content_type: &'static str,
}

/// A webhook with the secret that was made for it.
#[derive(Serialize, ToSchema)]
pub(crate) struct HookWithSecret {
    #[serde(flatten)]
    hook: Hook,
    /// The secret that signs, where it was made here: shown once. Null where it was given, or stays.
    secret: Option<String>,
}

impl From<Webhook> for Hook {
    fn from(webhook: Webhook) -> Self {
        Self {
            id: webhook.id.number(),
            kind: "tarn",
            config: HookConfig {
                url: webhook.target.as_str().to_owned(),
                content_type: "json",
            },
            events: webhook.events.words().collect(),
            active: webhook.active,
            created_at: webhook.created_at.into(),
        }
    }
}

impl HookWithSecret {
    fn new(webhook: Webhook, secret: Option<&Secret>) -> Self {
        Self {
            hook: webhook.into(),
            secret: secret.map(|secret| secret.expose().to_owned()),
        }
    }
}

/// Whose form the messages are to have. It is the same for all three: that of this server, with the fields of theirs.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum HookKind {
    /// That of this server.
    Tarn,
    /// That of Gitea.
    Gitea,
    /// That of Forgejo.
    Forgejo,
}

/// In which form the body is to come.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ContentType {
    /// JSON.
    Json,
}

/// Where a webhook is to lead.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ConfigOrder {
    /// The URL: `https` or `http`, and no private address unless the server allows that.
    #[schema(max_length = 2048, example = "https://hooks.example/tarn")]
    url: Option<String>,
    /// Always `json`.
    #[serde(rename = "content_type")]
    _content_type: Option<ContentType>,
    /// The secret that signs, of any length and without control characters. None, or empty: one is made for a new webhook, and that
    /// of another stays.
    #[schema(format = Password)]
    secret: Option<String>,
}

/// A webhook to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewHook {
    /// `tarn`, or what the forges call themselves.
    #[serde(rename = "type")]
    _kind: Option<HookKind>,
    /// The URL of the receiver, which `url` must give.
    config: ConfigOrder,
    /// The events it gets; all of them by default.
    #[schema(min_items = 1)]
    events: Option<Vec<Event>>,
    /// Whether events are sent to it from the start. The default is true.
    active: Option<bool>,
    /// Always empty, or `*`: it gets events of every branch.
    #[schema(pattern = r"^\*?$")]
    branch_filter: Option<String>,
    /// Always empty: the signature proves the sender.
    #[schema(max_length = 0)]
    authorization_header: Option<String>,
    /// Always false: it gets events of one owner.
    is_system_webhook: Option<bool>,
}

/// What changes of a webhook; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HookChange {
    /// The URL of the receiver, and the secret.
    config: Option<ConfigOrder>,
    /// The events it gets.
    #[schema(min_items = 1)]
    events: Option<Vec<Event>>,
    /// Whether events are sent to it. Disabling it drops what is pending.
    active: Option<bool>,
    /// Always empty, or `*`: it gets events of every branch.
    #[schema(pattern = r"^\*?$")]
    branch_filter: Option<String>,
    /// Always empty: the signature proves the sender.
    #[schema(max_length = 0)]
    authorization_header: Option<String>,
    /// Always false: it gets events of one owner.
    is_system_webhook: Option<bool>,
}

/// What the forges can have of a webhook, and this server has not.
fn only_what_there_is(
    branch_filter: Option<&str>,
    authorization_header: Option<&str>,
    is_system_webhook: Option<bool>,
) -> Result<(), ApiError> {
    refuse_if(
        !matches!(branch_filter, None | Some("" | "*")),
        "a webhook receives the events of every branch; leave `branch_filter` out, and look at `package.alpine.branch` of a message",
    )?;
    refuse_if(
        authorization_header.is_some_and(|header| !header.is_empty()),
        "no header of that kind is sent here; leave `authorization_header` out, and check the signature of a message",
    )?;
    refuse_if(
        is_system_webhook == Some(true),
        "a webhook belongs to one owner; leave `is_system_webhook` out, or write false",
    )
}

fn events(order: &[Event]) -> Result<WebhookEvents, ApiError> {
    // As many as there are words for them.
    let most = EVENTS.len();
    if order.len() > most {
        return Err(ApiError::Unprocessable(format!(
            "`events` has more than {most} entries; say each event once"
        )));
    }
    let events = order.iter().map(|Event(events)| *events);
    events.reduce(WebhookEvents::union).ok_or_else(|| {
        let words = WebhookEvent::WORDS.join(", ");
        ApiError::Unprocessable(format!(
            "`events` is empty; say at least one of {words}, or leave it out"
        ))
    })
}

/// A message to a webhook.
#[derive(Serialize, ToSchema)]
pub(crate) struct HookDelivery {
    /// Which one. Never given out twice.
    #[schema(example = 88)]
    id: i64,
    /// What the receiver gets as its name.
    delivery: String,
    /// What it is about.
    #[schema(value_type = MessageEvent, example = "published")]
    event: &'static str,
    /// How far it has come.
    #[schema(pattern = "^(pending|delivered|failed)$", example = "delivered")]
    state: &'static str,
    /// How often it was tried.
    attempts: u64,
    /// The status of the last answer.
    #[schema(example = 200)]
    last_status: Option<i64>,
    /// Why the last attempt failed.
    last_error: Option<String>,
    /// When the last attempt began.
    last_attempt_at: Option<Moment>,
    /// While pending: when it is tried next, at the earliest.
    next_attempt_at: Option<Moment>,
    /// When it happened.
    created_at: Moment,
    /// When it was delivered or given up.
    finished_at: Option<Moment>,
}

impl HookDelivery {
    fn new(webhook: &Webhook, delivery: &Delivery) -> Self {
        Self {
            id: delivery.id.number(),
            delivery: webhook.delivery_name(delivery.id),
            event: delivery.event.as_str(),
            state: delivery.state.as_str(),
            attempts: delivery.attempts,
            last_status: delivery.last_status,
            last_error: delivery.last_error.clone(),
            last_attempt_at: delivery.last_attempt_at.map(Moment::from),
            next_attempt_at: delivery.next_attempt_at.map(Moment::from),
            created_at: delivery.created_at.into(),
            finished_at: delivery.finished_at.map(Moment::from),
        }
    }
}

/// Which messages.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeliveriesQuery {
    /// Only those that have come so far.
    #[param(required = false, value_type = State, inline)]
    state: Option<State>,
    /// Which page, counted from 1; 0 is the first page too.
    #[param(required = false, value_type = u64, minimum = 0, example = 1)]
    page: Option<Number>,
    /// How many entries a page has at most; 0 or none is the usual number, more than 100 counts as 100.
    #[param(required = false, value_type = u64, minimum = 0, example = 30)]
    limit: Option<Number>,
}

/// A message that is on its way.
#[derive(Serialize, ToSchema)]
pub(crate) struct Sent {
    /// Its number in the log of the webhook.
    #[schema(example = 89)]
    id: i64,
}

/// The secret in a body. Clients of the forges write an empty one where they have none.
fn given(secret: Option<String>) -> Option<Secret> {
    secret.filter(|secret| !secret.is_empty()).map(Secret::new)
}

async fn list(of: &Administered, pages: &Pages) -> Result<Response, ApiError> {
    let hooks = of.registry.webhooks().list(&of.owner).await?;
    Ok(pages.answer_part_of(hooks, Hook::from))
}

async fn add(
    of: &Administered,
    new: NewHook,
) -> Result<(StatusCode, Json<HookWithSecret>), ApiError> {
    only_what_there_is(
        new.branch_filter.as_deref(),
        new.authorization_header.as_deref(),
        new.is_system_webhook,
    )?;
    // It would send events of packages that the token may not read.
    of.may_also(Action::Read).await?;
    let url = new.config.url.ok_or_else(|| {
        ApiError::Unprocessable("`config` has no `url`; give the URL of the receiver".to_owned())
    })?;
    let events = match &new.events {
        None => WebhookEvents::ALL,
        Some(order) => events(order)?,
    };
    let order = WebhookOrder {
        url: &url,
        events,
        secret: given(new.config.secret),
        active: new.active.unwrap_or(true),
    };
    let webhooks = of.registry.webhooks();
    let added = webhooks.add(&of.owner, order, &of.by).await?;
    let made = HookWithSecret::new(added.webhook, added.generated.as_ref());
    Ok((StatusCode::CREATED, Json(made)))
}

async fn show(of: &Administered, hook: &HookPath) -> Result<Json<Hook>, ApiError> {
    let webhooks = of.registry.webhooks();
    Ok(Json(webhooks.one(&of.owner, hook.number()?).await?.into()))
}

async fn change(
    of: &Administered,
    hook: &HookPath,
    change: HookChange,
) -> Result<Json<HookWithSecret>, ApiError> {
    let number = hook.number()?;
    only_what_there_is(
        change.branch_filter.as_deref(),
        change.authorization_header.as_deref(),
        change.is_system_webhook,
    )?;
    let (url, secret) = change
        .config
        .map_or((None, None), |config| (config.url, config.secret));
    let url = url.filter(|url| !url.is_empty());
    if url.is_some() {
        of.may_also(Action::Read).await?;
    }
    let order = ChangeOrder {
        url,
        events: change.events.as_deref().map(events).transpose()?,
        active: change.active,
        secret: given(secret).map_or(SecretChange::Keep, SecretChange::Take),
    };
    let webhooks = of.registry.webhooks();
    let secret = webhooks.change(&of.owner, number, order, &of.by).await?;
    let webhook = webhooks.one(&of.owner, number).await?;
    Ok(Json(HookWithSecret::new(webhook, secret.as_ref())))
}

async fn remove(of: &Administered, hook: &HookPath) -> Result<StatusCode, ApiError> {
    let webhooks = of.registry.webhooks();
    webhooks.remove(&of.owner, hook.number()?, &of.by).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn deliveries(
    of: &Administered,
    hook: &HookPath,
    query: &DeliveriesQuery,
    url: ListUrl,
) -> Result<Response, ApiError> {
    let number = hook.number()?;
    let pages = url.page(query.page, query.limit);
    let state = query.state.map(|State(state)| state);
    let webhooks = of.registry.webhooks();
    let webhook = webhooks.one(&of.owner, number).await?;
    let page = webhooks.deliveries(&of.owner, number, state, pages.window());
    Ok(pages.answer(page.await?, |delivery| {
        HookDelivery::new(&webhook, &delivery)
    }))
}

async fn test(of: &Administered, hook: &HookPath) -> Result<(StatusCode, Json<Sent>), ApiError> {
    let webhooks = of.registry.webhooks();
    let sent = webhooks.test(&of.owner, hook.number()?, &of.by).await?;
    Ok((StatusCode::CREATED, Json(Sent { id: sent.number() })))
}

async fn redeliver(
    of: &Administered,
    hook: &HookPath,
    delivery: &DeliveryPath,
) -> Result<(StatusCode, Json<Sent>), ApiError> {
    let number = hook.number()?;
    let webhooks = of.registry.webhooks();
    webhooks.one(&of.owner, number).await?;
    let none = || {
        ApiError::Refused(
            Code::NoSuchDelivery,
            "the webhook has no such delivery; the list of its deliveries names those there are"
                .to_owned(),
        )
    };
    let wanted = (Some(number), delivery.number().ok_or_else(none)?);
    let sent = webhooks.redeliver(&of.owner, wanted, &of.by).await;
    let sent = sent.map_err(|error| match error {
        WebhookError::NoDelivery { .. } => none(),
        error => error.into(),
    })?;
    Ok((StatusCode::CREATED, Json(Sent { id: sent.number() })))
}
