//! What the administrators of an owner do with webhooks.

use data_encoding::HEXLOWER;

use super::delivery_name;
use crate::resources::Resources;
use tarn_base::{
    clock::Timestamp,
    hint::Hint,
    random::RandomError,
    sealer::{SealError, Sealer},
    secret::Secret,
};
use tarn_net::{AddressRules, Target, TargetError};
use tarn_store::metadata::{
    AccountFacts, Actor, AddWebhookError, Delivery, DeliveryId, DeliveryState, EventFacts,
    MetadataError, NewWebhook, Owner, Page, Redelivered, WebhookChange, WebhookEvents, WebhookId,
    WebhookRow, Window,
};

/// How many webhooks an owner may have.
pub const MAX_WEBHOOKS: u64 = 20;

/// Letters and digits; 43 of 62 are 256 bits.
const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const GENERATED_SECRET: usize = 43;

/// Why something was not done with a webhook. The texts are fit for the caller.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The URL.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The secret.
    #[error("the secret holds a control character, a line break for instance")]
    BadSecret,
    /// The owner has as many as an owner may have.
    #[error("`{0}` has {MAX_WEBHOOKS} webhooks, the most there can be")]
    TooMany(String),
    /// No such webhook of that owner.
    #[error("`{owner}` has no webhook {number}")]
    NoWebhook {
        /// Whose.
        owner: String,
        /// Which.
        number: i64,
    },
    /// No such message to the webhook, or to any of that owner.
    #[error("`{owner}` has no such delivery {number}")]
    NoDelivery {
        /// Whose.
        owner: String,
        /// Which.
        number: i64,
    },
    /// A message that has not ended.
    #[error("delivery {0} is pending")]
    DeliveryPending(i64),
    /// A test is on its way already.
    #[error("a test of webhook {0} is under way")]
    TestPending(i64),
    /// Nothing is sent to one that is disabled.
    #[error("webhook {0} is disabled")]
    Disabled(i64),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The secret could not be sealed.
    #[error("the secret could not be sealed")]
    Seal(#[from] SealError),
    /// The database did not do it.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// A webhook, without its secret.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Which one.
    pub id: WebhookId,
    /// Where it leads.
    pub target: Target,
    /// The events that it receives.
    pub events: WebhookEvents,
    /// Whether it receives events at present.
    pub active: bool,
    /// When it was added.
    pub created_at: Timestamp,
    seed: [u8; 16],
}

impl Webhook {
    /// What the receiver gets as the name of a message to this webhook.
    pub fn delivery_name(&self, id: DeliveryId) -> String {
        delivery_name(&self.seed, id)
    }

    fn from_row(row: &WebhookRow) -> Result<Self, WebhookError> {
        Ok(Self {
            id: row.id,
            target: Target::parse(&row.url)?,
            events: row.events,
            active: row.active,
            created_at: row.created_at,
            seed: row.seed,
        })
    }
}

/// A webhook that was added.
#[derive(Debug, Clone)]
pub struct Added {
    /// The webhook.
    pub webhook: Webhook,
    /// Its secret, to be shown once, where it was made here.
    pub generated: Option<Secret>,
}

/// A webhook that is wanted.
#[derive(Debug, Clone)]
pub struct WebhookOrder<'a> {
    /// Where it leads.
    pub url: &'a str,
    /// The events that it receives.
    pub events: WebhookEvents,
    /// The secret that signs; none: one is made.
    pub secret: Option<Secret>,
    /// Whether it receives events from the start.
    pub active: bool,
}

/// What becomes of a webhook's secret.
#[derive(Debug, Clone, Default)]
pub enum SecretChange {
    /// It stays.
    #[default]
    Keep,
    /// A new one is made.
    Generate,
    /// This one is taken.
    Take(Secret),
}

/// What changes of a webhook; `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct ChangeOrder {
    /// Where it leads.
    pub url: Option<String>,
    /// The events that it receives.
    pub events: Option<WebhookEvents>,
    /// Whether it receives events. What is pending for one that is not any more is given up.
    pub active: Option<bool>,
    /// The secret that signs. What is pending is signed with the new one.
    pub secret: SecretChange,
}

/// Webhooks, for those who administer an owner.
#[derive(Debug, Clone)]
pub struct Webhooks {
    resources: Resources,
    rules: AddressRules,
}

impl Webhooks {
    /// Webhooks, for messages that are sent under `rules`.
    pub const fn new(resources: Resources, rules: AddressRules) -> Self {
        Self { resources, rules }
    }

    /// Why nothing can be sent to a webhook as the server is set up, as far as its URL says that.
    pub fn warning(&self, webhook: &Webhook) -> Option<String> {
        let forbidden = webhook.target.forbidden_by(&self.rules)?;
        Some(format!(
            "this webhook gets no messages: {forbidden}, and `webhook-allowed-networks` does not list it"
        ))
    }

    /// Adds a webhook. Without a secret, one is made and given back.
    ///
    /// # Errors
    ///
    /// When the URL or the secret is not taken, or the owner has too many.
    pub async fn add(
        &self,
        owner: &Owner,
        order: WebhookOrder<'_>,
        by: &Actor,
    ) -> Result<Added, WebhookError> {
        let target = Target::parse(order.url)?;
        let mut seed = [0; 16];
        self.resources.random.fill(&mut seed)?;
        let change = order
            .secret
            .map_or(SecretChange::Generate, SecretChange::Take);
        let (secret, generated) = self.new_secret(change)?;
        let sealed =
            self.resources
                .sealer
                .seal(owner.id.number(), &seal_name(&seed), secret.expose())?;
        let new = NewWebhook {
            owner: owner.id,
            url: target.as_str(),
            seed: &seed,
            sealed: &sealed,
            events: order.events,
            active: order.active,
            at_most: MAX_WEBHOOKS,
        };
        let row = self
            .resources
            .metadata
            .add_webhook(new, &target.to_string(), &self.resources.act(by))
            .await
            .map_err(|error| match error {
                AddWebhookError::TooMany => WebhookError::TooMany(owner.name.clone()),
                AddWebhookError::Metadata(error) => error.into(),
            })?;
        Ok(Added {
            webhook: Webhook::from_row(&row)?,
            generated: generated.then_some(secret),
        })
    }

    /// The webhooks of an owner, oldest first.
    pub async fn list(&self, owner: &Owner) -> Result<Vec<Webhook>, WebhookError> {
        let rows = self.resources.metadata.webhooks(owner.id).await?;
        rows.iter().map(Webhook::from_row).collect()
    }

    /// One webhook of an owner, by its number.
    ///
    /// # Errors
    ///
    /// When the owner has no such webhook.
    pub async fn one(&self, owner: &Owner, number: i64) -> Result<Webhook, WebhookError> {
        Webhook::from_row(&self.row(owner, number).await?)
    }

    /// Changes a webhook, and gives its new secret, where one was made.
    ///
    /// # Errors
    ///
    /// When the URL or the secret is not taken, or the owner has no such webhook.
    pub async fn change(
        &self,
        owner: &Owner,
        number: i64,
        order: ChangeOrder,
        by: &Actor,
    ) -> Result<Option<Secret>, WebhookError> {
        let row = self.row(owner, number).await?;
        let target = order.url.as_deref().map(Target::parse).transpose()?;
        let shown = match &target {
            Some(target) => target.to_string(),
            None => Target::parse(&row.url)?.to_string(),
        };
        let secret = match order.secret {
            SecretChange::Keep => None,
            change => Some(self.new_secret(change)?),
        };
        let sealed = secret
            .as_ref()
            .map(|(secret, _)| {
                self.resources.sealer.seal(
                    owner.id.number(),
                    &seal_name(&row.seed),
                    secret.expose(),
                )
            })
            .transpose()?;
        let change = WebhookChange {
            url: target.as_ref().map(Target::as_str),
            sealed: sealed.as_deref(),
            events: order.events,
            active: order.active,
        };
        self.resources
            .metadata
            .change_webhook((owner.id, row.id), change, &shown, &self.resources.act(by))
            .await
            .map_err(|error| gone(owner, number, error))?;
        Ok(secret.and_then(|(secret, generated)| generated.then_some(secret)))
    }

    /// Removes a webhook, what is pending for it, and its log. A message under way may still arrive.
    ///
    /// # Errors
    ///
    /// When the owner has no such webhook.
    pub async fn remove(&self, owner: &Owner, number: i64, by: &Actor) -> Result<(), WebhookError> {
        let webhook = self.one(owner, number).await?;
        let target = webhook.target.to_string();
        self.resources
            .metadata
            .remove_webhook((owner.id, webhook.id), &target, &self.resources.act(by))
            .await
            .map_err(|error| gone(owner, number, error))
    }

    /// Sends a webhook a message of its own, to see whether it arrives. Gives its number in the log.
    ///
    /// # Errors
    ///
    /// When the owner has no such webhook, it is disabled, or a test is under way.
    pub async fn test(
        &self,
        owner: &Owner,
        number: i64,
        by: &Actor,
    ) -> Result<DeliveryId, WebhookError> {
        let webhook = self.one(owner, number).await?;
        if !webhook.active {
            return Err(WebhookError::Disabled(number));
        }
        let act = self.resources.act(by);
        let sender = by
            .account
            .as_ref()
            .map(|(id, name)| AccountFacts::new(id.number(), name));
        let facts = EventFacts::test(act.at.micros(), owner, sender);
        let target = webhook.target.to_string();
        self.resources
            .metadata
            .ping_webhook((owner.id, webhook.id), &facts, &target, &act)
            .await
            .map_err(|error| gone(owner, number, error))?
            .ok_or(WebhookError::TestPending(number))
    }

    /// Sends a finished message once more, to `webhook` where its number is named. Gives its new number in the log.
    ///
    /// # Errors
    ///
    /// When the owner has no such message, it is pending, or its webhook is disabled.
    pub async fn redeliver(
        &self,
        owner: &Owner,
        (webhook, delivery): (Option<i64>, i64),
        by: &Actor,
    ) -> Result<DeliveryId, WebhookError> {
        let to = (owner.id, webhook.map(WebhookId::from_row));
        let redelivered = self
            .resources
            .metadata
            .redeliver(to, DeliveryId::from_row(delivery), &self.resources.act(by))
            .await;
        match redelivered {
            Ok(Redelivered::As(id)) => Ok(id),
            Ok(Redelivered::Pending) => Err(WebhookError::DeliveryPending(delivery)),
            Ok(Redelivered::Disabled(id)) => Err(WebhookError::Disabled(id.number())),
            Err(MetadataError::Missing(_)) => Err(WebhookError::NoDelivery {
                owner: owner.name.clone(),
                number: delivery,
            }),
            Err(error) => Err(error.into()),
        }
    }

    /// The messages to a webhook, newest first: what is pending, and what was finished lately; those in `state` where one is
    /// named.
    ///
    /// # Errors
    ///
    /// When the owner has no such webhook.
    pub async fn deliveries(
        &self,
        owner: &Owner,
        number: i64,
        state: Option<DeliveryState>,
        window: Window,
    ) -> Result<Page<Delivery>, WebhookError> {
        let row = self.row(owner, number).await?;
        let of = (owner.id, row.id);
        Ok(self
            .resources
            .metadata
            .deliveries(of, state, window)
            .await?)
    }

    async fn row(&self, owner: &Owner, number: i64) -> Result<WebhookRow, WebhookError> {
        let rows = self.resources.metadata.webhooks(owner.id).await?;
        rows.into_iter()
            .find(|row| row.id.number() == number)
            .ok_or_else(|| no_webhook(owner, number))
    }

    /// The secret to be kept, and whether it was made here.
    fn new_secret(&self, change: SecretChange) -> Result<(Secret, bool), WebhookError> {
        match change {
            SecretChange::Take(secret) => {
                let text = secret.expose();
                if text.chars().any(char::is_control) {
                    return Err(WebhookError::BadSecret);
                }
                Ok((secret, false))
            }
            SecretChange::Keep | SecretChange::Generate => {
                let text = self.resources.random.text(LETTERS, GENERATED_SECRET)?;
                Ok((Secret::new(text), true))
            }
        }
    }
}

/// The secret of a webhook, opened.
pub(super) fn open_secret(sealer: &Sealer, row: &WebhookRow) -> Result<Secret, SealError> {
    sealer.open(row.owner.number(), &seal_name(&row.seed), &row.sealed)
}

/// What the sealed secret of a webhook is bound to. No signing key has such a name.
fn seal_name(seed: &[u8; 16]) -> String {
    format!("webhook {}", HEXLOWER.encode(seed))
}

fn no_webhook(owner: &Owner, number: i64) -> WebhookError {
    WebhookError::NoWebhook {
        owner: owner.name.clone(),
        number,
    }
}

/// Removed by another request in between.
fn gone(owner: &Owner, number: i64, error: MetadataError) -> WebhookError {
    match error {
        MetadataError::Missing(_) => no_webhook(owner, number),
        error => error.into(),
    }
}

impl Hint for WebhookError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Target(error) => return error.hint(),
            Self::BadSecret => "choose another, or none to have one made".to_owned(),
            Self::TooMany(..) => "delete one first".to_owned(),
            Self::NoWebhook { owner, .. } => {
                format!("`tarn webhook list {owner}` shows those there are")
            }
            Self::NoDelivery { owner, .. } => {
                format!("`tarn webhook deliveries {owner} WEBHOOK` shows those there are")
            }
            Self::DeliveryPending(..) => "it is tried again by itself".to_owned(),
            Self::TestPending(..) => {
                "look at its deliveries, and wait until it has ended".to_owned()
            }
            Self::Disabled(..) => "enable it first".to_owned(),
            _ => return None,
        })
    }
}
