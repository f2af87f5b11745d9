//! `/-/owners/{owner}/webhooks`: where messages about packages go, and how that went.

use askama::Template;
use axum::{extract::Path, response::Response};

use super::super::{
    form::{Form, Problem},
    manage::{Managed, Shell, or_problem},
    page::Frame,
    pager::{PageNumber, Pager},
    shown,
};
use crate::error::ApiError;
use tarn_base::secret::Secret;
use tarn_core::webhooks::{ChangeOrder, SecretChange, Webhook, WebhookOrder};
use tarn_store::metadata::{Delivery, DeliveryState, WebhookEvent, WebhookEvents};

/// How many deliveries a page has.
const DELIVERIES: u32 = 10;

#[derive(Template)]
#[template(path = "owner/webhooks.html")]
struct WebhooksPage<'a> {
    frame: &'a Frame,
    shell: &'a Shell,
    path: &'a str,
    webhooks: &'a [Webhook],
    form: &'a Form,
}

#[derive(Template)]
#[template(path = "owner/webhook.html")]
struct WebhookPage<'a> {
    frame: &'a Frame,
    shell: &'a Shell,
    path: &'a str,
    webhook: &'a Webhook,
    deliveries: &'a [Delivery],
    pager: &'a Pager,
    secret: Option<Secret>,
    warning: Option<String>,
}

impl WebhookPage<'_> {
    fn is_pending(&self, delivery: &Delivery) -> bool {
        delivery.state == DeliveryState::Pending
    }

    /// How a state is coloured.
    fn class(&self, delivery: &Delivery) -> &'static str {
        match delivery.state {
            DeliveryState::Delivered => "ok",
            DeliveryState::Pending => "warn",
            DeliveryState::Failed => "bad",
        }
    }
}

pub(super) async fn show(of: Managed) -> Result<Response, ApiError> {
    page(&of, None, &Form::default()).await
}

async fn page(of: &Managed, problem: Option<Problem>, form: &Form) -> Result<Response, ApiError> {
    let webhooks = of.registry.webhooks();
    let webhooks = webhooks.list(&of.owner).await?;
    let shell = of.shell("/webhooks", "Webhooks", problem);
    let page = WebhooksPage {
        frame: of.frame(),
        shell: &shell,
        path: &of.path("/webhooks"),
        webhooks: &webhooks,
        form,
    };
    of.show(&page, &shell)
}

pub(super) async fn one(
    of: Managed,
    Path((_, id)): Path<(String, i64)>,
    number: PageNumber,
) -> Result<Response, ApiError> {
    one_page(&of, id, number, None, None).await
}

async fn one_page(
    of: &Managed,
    id: i64,
    number: PageNumber,
    problem: Option<Problem>,
    secret: Option<Secret>,
) -> Result<Response, ApiError> {
    let webhooks = of.registry.webhooks();
    let webhook = webhooks.one(&of.owner, id).await?;
    let window = number.window(DELIVERIES);
    let found = webhooks.deliveries(&of.owner, id, None, window).await?;
    let shell = of.shell("/webhooks", "Webhook", problem);
    let section = format!("/webhooks/{id}");
    let page = WebhookPage {
        frame: of.frame(),
        shell: &shell,
        path: &of.path(&section),
        webhook: &webhook,
        warning: webhooks.warning(&webhook),
        pager: &of
            .pager(number, found.total, ("message", "messages"), &section)
            .of_size(DELIVERIES),
        deliveries: &found.entries,
        secret,
    };
    of.show(&page, &shell)
}

/// Adds one. A secret that was made here is shown once.
pub(super) async fn add(of: Managed, form: Form) -> Result<Response, ApiError> {
    let added = async {
        let order = WebhookOrder {
            url: form.text("url"),
            events: events(&form)?,
            secret: given(&form),
            active: true,
        };
        let webhooks = of.registry.webhooks();
        Ok::<_, ApiError>(webhooks.add(&of.owner, order, &of.by).await?)
    };
    match or_problem(added.await)? {
        Ok(added) => match added.generated {
            Some(secret) => {
                one_page(
                    &of,
                    added.webhook.id.number(),
                    PageNumber::FIRST,
                    None,
                    Some(secret),
                )
                .await
            }
            None => {
                let path = format!("/webhooks/{}", added.webhook.id);
                of.done(&of.path(&path), "The webhook is added.")
            }
        },
        Err(problem) => page(&of, Some(problem), &form).await,
    }
}

pub(super) async fn change(
    of: Managed,
    Path((_, id)): Path<(String, i64)>,
    form: Form,
) -> Result<Response, ApiError> {
    let changed = async {
        let url = Some(form.text("url")).filter(|url| !url.is_empty());
        let order = ChangeOrder {
            url: url.map(str::to_owned),
            events: Some(events(&form)?),
            active: Some(form.has("active", "yes")),
            secret: match given(&form) {
                Some(secret) => SecretChange::Take(secret),
                None if form.has("generate", "yes") => SecretChange::Generate,
                None => SecretChange::Keep,
            },
        };
        let webhooks = of.registry.webhooks();
        Ok::<_, ApiError>(webhooks.change(&of.owner, id, order, &of.by).await?)
    };
    match or_problem(changed.await)? {
        Ok(Some(secret)) => one_page(&of, id, PageNumber::FIRST, None, Some(secret)).await,
        Ok(None) => of.done(
            &of.path(&format!("/webhooks/{id}")),
            "The webhook is saved.",
        ),
        Err(problem) => one_page(&of, id, PageNumber::FIRST, Some(problem), None).await,
    }
}

pub(super) async fn remove(
    of: Managed,
    Path((_, id)): Path<(String, i64)>,
    _: Form,
) -> Result<Response, ApiError> {
    let webhooks = of.registry.webhooks();
    webhooks.remove(&of.owner, id, &of.by).await?;
    of.done(&of.path("/webhooks"), "The webhook is deleted.")
}

pub(super) async fn test(
    of: Managed,
    Path((_, id)): Path<(String, i64)>,
    _: Form,
) -> Result<Response, ApiError> {
    let webhooks = of.registry.webhooks();
    let sent = webhooks.test(&of.owner, id, &of.by).await;
    match or_problem(sent)? {
        Ok(_) => of.done(
            &of.path(&format!("/webhooks/{id}")),
            "A test message is on its way.",
        ),
        Err(problem) => one_page(&of, id, PageNumber::FIRST, Some(problem), None).await,
    }
}

pub(super) async fn redeliver(
    of: Managed,
    Path((_, id)): Path<(String, i64)>,
    form: Form,
) -> Result<Response, ApiError> {
    let sent = async {
        let delivery = form.number("delivery", "the delivery")?;
        let webhooks = of.registry.webhooks();
        webhooks.one(&of.owner, id).await?;
        let wanted = (Some(id), delivery);
        Ok::<_, ApiError>(webhooks.redeliver(&of.owner, wanted, &of.by).await?)
    };
    match or_problem(sent.await)? {
        Ok(_) => of.done(
            &of.path(&format!("/webhooks/{id}")),
            "The message is sent again.",
        ),
        Err(problem) => one_page(&of, id, PageNumber::FIRST, Some(problem), None).await,
    }
}

fn events(form: &Form) -> Result<WebhookEvents, ApiError> {
    let ticked = form.all("event");
    let chosen = WebhookEvent::ALL.iter().copied();
    let chosen = chosen.filter(|event| ticked.contains(&event.as_str()));
    WebhookEvents::of(&chosen.collect::<Vec<_>>()).ok_or_else(|| {
        ApiError::Unprocessable("a webhook needs at least one event; tick one".to_owned())
    })
}

/// The secret in the form; none when the field is empty.
fn given(form: &Form) -> Option<Secret> {
    (!form.raw("secret").is_empty()).then(|| form.secret("secret"))
}
