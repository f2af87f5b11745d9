//! `/-/owners/{owner}/webhooks`: where messages about packages go, and how that went.

use askama::Template;
use axum::{extract::Path, response::Response};

use super::super::{
    form::Form,
    manage::{Managed, Shell, or_again},
    page::Frame,
    pager::Pager,
    shown,
};
use crate::error::ApiError;
use tarn_base::secret::Secret;
use tarn_core::webhooks::{ChangeOrder, SecretChange, Webhook, WebhookOrder};
use tarn_store::metadata::{Delivery, DeliveryState, WebhookEvent, WebhookEvents};

/// The owner and the webhook in a path.
type OfWebhook = Path<(String, i64)>;

/// How many deliveries a page has.
const DELIVERIES: u32 = 10;

#[derive(Template)]
#[template(path = "owner/webhooks.html")]
struct WebhooksPage<'a> {
    frame: &'a Frame,
    shell: Shell,
    path: &'a str,
    webhooks: &'a [Webhook],
    form: &'a Form,
}

#[derive(Template)]
#[template(path = "owner/webhook.html")]
struct WebhookPage<'a> {
    frame: &'a Frame,
    shell: Shell,
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
    let webhooks = of.registry.webhooks();
    let webhooks = webhooks.list(&of.owner).await?;
    let page = WebhooksPage {
        frame: &of.frame,
        shell: of.shell("/webhooks", "Webhooks"),
        path: &of.path("/webhooks"),
        webhooks: &webhooks,
        form: &of.form,
    };
    of.answer(&page)
}

pub(super) async fn one(of: Managed, Path((_, id)): OfWebhook) -> Result<Response, ApiError> {
    one_page(&of, id, None).await
}

async fn one_page(of: &Managed, id: i64, secret: Option<Secret>) -> Result<Response, ApiError> {
    let webhooks = of.registry.webhooks();
    let webhook = webhooks.one(&of.owner, id).await?;
    let window = of.number.window(DELIVERIES);
    let found = webhooks.deliveries(&of.owner, id, None, window).await?;
    let path = path(of, id);
    let page = WebhookPage {
        frame: &of.frame,
        shell: of.shell("/webhooks", "Webhook"),
        path: &path,
        webhook: &webhook,
        warning: webhooks.warning(&webhook),
        pager: &of
            .pager(found.total, ("message", "messages"), &path)
            .of_size(DELIVERIES),
        deliveries: &found.entries,
        secret,
    };
    of.answer(&page)
}

/// Where the page of a webhook is.
fn path(of: &Managed, id: i64) -> String {
    of.path(&format!("/webhooks/{id}"))
}

/// Shows a secret that was made here, once; where none was made, the page says `notice`.
async fn saved(
    of: &Managed,
    id: i64,
    secret: Option<Secret>,
    notice: &str,
) -> Result<Response, ApiError> {
    match secret {
        None => of.done(&path(of, id), notice),
        secret => one_page(of, id, secret).await,
    }
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
        let added = webhooks.add(&of.owner, order, &of.by).await?;
        let id = added.webhook.id.number();
        saved(&of, id, added.generated, "The webhook is added.").await
    };
    let added = added.await;
    or_again(added, of, form, show).await
}

pub(super) async fn change(
    of: Managed,
    webhook: OfWebhook,
    form: Form,
) -> Result<Response, ApiError> {
    let id = webhook.0.1;
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
        let secret = webhooks.change(&of.owner, id, order, &of.by).await?;
        saved(&of, id, secret, "The webhook is saved.").await
    };
    let changed = changed.await;
    or_again(changed, of, Form::default(), |of| one(of, webhook)).await
}

pub(super) async fn remove(
    of: Managed,
    Path((_, id)): OfWebhook,
    _: Form,
) -> Result<Response, ApiError> {
    let webhooks = of.registry.webhooks();
    webhooks.remove(&of.owner, id, &of.by).await?;
    of.done(&of.path("/webhooks"), "The webhook is deleted.")
}

pub(super) async fn test(of: Managed, webhook: OfWebhook, _: Form) -> Result<Response, ApiError> {
    let id = webhook.0.1;
    let sent = async {
        let webhooks = of.registry.webhooks();
        webhooks.test(&of.owner, id, &of.by).await?;
        of.done(&path(&of, id), "A test message is on its way.")
    };
    let sent = sent.await;
    or_again(sent, of, Form::default(), |of| one(of, webhook)).await
}

pub(super) async fn redeliver(
    of: Managed,
    webhook: OfWebhook,
    form: Form,
) -> Result<Response, ApiError> {
    let id = webhook.0.1;
    let sent = async {
        let delivery = form.number("delivery", "the delivery")?;
        let webhooks = of.registry.webhooks();
        webhooks.one(&of.owner, id).await?;
        let wanted = (Some(id), delivery);
        webhooks.redeliver(&of.owner, wanted, &of.by).await?;
        of.done(&path(&of, id), "The message is sent again.")
    };
    let sent = sent.await;
    or_again(sent, of, Form::default(), |of| one(of, webhook)).await
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
