//! `tarn webhook`: messages about changes to an owner's packages.

use std::sync::LazyLock;

use serde::Serialize;
use tarn_base::{hint::Hint as _, names::OwnerName};
use tarn_core::{
    Administration,
    webhooks::{ChangeOrder, SecretChange, Webhook, WebhookError, WebhookOrder, payload},
};
use tarn_store::metadata::{Delivery, DeliveryState, WebhookEvent, WebhookEvents, Window};

use crate::{
    administration::BY,
    failure::Failure,
    output::{self, moment},
    secret,
};

/// Whose webhook, and which.
#[derive(Debug, clap::Args)]
pub(crate) struct Which {
    /// A user or an organisation
    owner: OwnerName,
    /// The number of the webhook, as `webhook list` prints it
    #[arg(value_name = "WEBHOOK")]
    number: i64,
}

/// `tarn webhook …`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Send messages about published and deleted packages to a URL; prints the signing secret, if it was made here
    Add {
        /// A user or an organisation
        owner: OwnerName,
        /// Where messages are posted to; with https others can neither read nor replay them
        url: String,
        #[arg(long = "event", value_name = "EVENT", value_parser = event, help = format!("{} [default: all]", *EVENT))]
        events: Vec<WebhookEvent>,
        /// Take the secret from standard input, one line of any length, instead of making one
        #[arg(long)]
        secret_stdin: bool,
    },
    /// List an owner's webhooks, without their secrets
    List {
        /// A user or an organisation
        owner: OwnerName,
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Change a webhook
    Change {
        #[command(flatten)]
        which: Which,
        /// Where messages are posted to from now on, also those that are pending
        #[arg(long)]
        url: Option<String>,
        #[arg(long = "event", value_name = "EVENT", value_parser = event, help = EVENT.as_str())]
        events: Vec<WebhookEvent>,
        /// Send nothing for now, and give up what is pending
        #[arg(long)]
        disable: bool,
        /// Send messages again
        #[arg(long, conflicts_with = "disable")]
        enable: bool,
        /// Make another secret and print it
        #[arg(long)]
        new_secret: bool,
        /// Take another secret from standard input
        #[arg(long, conflicts_with = "new_secret")]
        secret_stdin: bool,
    },
    /// Delete a webhook, what is pending for it, and its log
    Delete {
        #[command(flatten)]
        which: Which,
    },
    /// Show what was and will be sent to a webhook, newest first
    Deliveries {
        #[command(flatten)]
        which: Which,
        /// Only those that are pending, delivered or failed
        #[arg(long, value_name = "STATE")]
        state: Option<DeliveryState>,
        /// How many are shown at most
        #[arg(long, value_name = "NUMBER", default_value_t = 100)]
        limit: u32,
        /// As JSON, for scripts, with the bodies
        #[arg(long)]
        json: bool,
    },
    /// Send a finished delivery once more, and print its new number
    Redeliver {
        /// A user or an organisation
        owner: OwnerName,
        /// The number of the delivery, as `webhook deliveries` prints it
        delivery: i64,
    },
    /// Have the running server send a message of its own, and print its number
    Test {
        #[command(flatten)]
        which: Which,
    },
}

/// One webhook, in the JSON of `webhook list`. The date is RFC 3339, UTC.
#[derive(Serialize)]
struct Shown {
    id: i64,
    url: String,
    events: Vec<&'static str>,
    active: bool,
    created_at: String,
}

impl Shown {
    fn of(webhook: &Webhook) -> Self {
        Self {
            id: webhook.id.number(),
            url: webhook.target.as_str().to_owned(),
            events: webhook.events.words().collect(),
            active: webhook.active,
            created_at: moment(webhook.created_at),
        }
    }
}

/// One delivery, in the JSON of `webhook deliveries`. The dates are RFC 3339, UTC.
#[derive(Serialize)]
struct ShownDelivery {
    id: i64,
    /// As the receiver gets it, in `X-Tarn-Delivery`.
    name: String,
    event: &'static str,
    state: &'static str,
    attempts: u64,
    status: Option<i64>,
    error: Option<String>,
    created_at: String,
    last_attempt_at: Option<String>,
    next_attempt_at: Option<String>,
    finished_at: Option<String>,
    payload: serde_json::Value,
}

impl ShownDelivery {
    fn of(webhook: &Webhook, delivery: Delivery) -> Self {
        let body = payload::render(delivery.event, &delivery.facts);
        Self {
            id: delivery.id.number(),
            name: webhook.delivery_name(delivery.id),
            event: delivery.event.as_str(),
            state: delivery.state.as_str(),
            attempts: delivery.attempts,
            status: delivery.last_status,
            error: delivery.last_error,
            created_at: moment(delivery.created_at),
            last_attempt_at: delivery.last_attempt_at.map(moment),
            next_attempt_at: delivery.next_attempt_at.map(moment),
            finished_at: delivery.finished_at.map(moment),
            payload: serde_json::from_str(&body).unwrap_or(serde_json::Value::String(body)),
        }
    }

    /// What came of it, for a column of the table.
    fn outcome(&self) -> String {
        match (&self.error, self.status, &self.next_attempt_at) {
            (Some(error), _, Some(next)) => format!("{error}; again at {next}"),
            (Some(error), _, None) => error.clone(),
            (None, Some(status), _) => format!("it answered {status}"),
            (None, None, _) => String::new(),
        }
    }
}

/// What the help says of `--event`.
static EVENT: LazyLock<String> = LazyLock::new(|| {
    let words = WebhookEvent::WORDS.join(" or ");
    format!("The event to send: {words}; repeat the flag for more than one")
});

fn event(text: &str) -> Result<WebhookEvent, String> {
    match text.parse() {
        Ok(WebhookEvent::Ping) => Err(format!(
            "every webhook can be tested; write {}",
            WebhookEvent::WORDS.join(" or ")
        )),
        Ok(event) => Ok(event),
        Err(error) => Err(error.line()),
    }
}

/// In the words of the library; what was typed wrong is a fault of the call.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` passes")]
fn failed(error: WebhookError) -> Failure {
    let failure = Failure::hinted(&error);
    match error {
        WebhookError::Target(_) | WebhookError::BadSecret => failure.into_usage(),
        _ => failure,
    }
}

/// Does what the arguments say.
pub(crate) async fn run(action: Action, registry: &Administration) -> Result<(), Failure> {
    match action {
        Action::Add {
            owner,
            url,
            events,
            secret_stdin,
        } => add(&owner, &url, &events, secret_stdin, registry).await,
        Action::List { owner, json } => list(&owner, json, registry).await,
        Action::Change {
            which,
            url,
            events,
            disable,
            enable,
            new_secret,
            secret_stdin,
        } => {
            let secret = match (new_secret, secret_stdin) {
                (true, _) => SecretChange::Generate,
                (_, true) => SecretChange::Take(secret::line("secret")?),
                _ => SecretChange::Keep,
            };
            let order = ChangeOrder {
                url,
                events: WebhookEvents::of(&events),
                active: (disable || enable).then_some(enable),
                secret,
            };
            change(&which, order, registry).await
        }
        Action::Delete { which } => {
            let owner = registry.accounts().find_owner(&which.owner).await?;
            let removed = registry.webhooks().remove(&owner, which.number, &BY).await;
            removed.map_err(failed)?;
            let (number, name) = (which.number, &owner.name);
            output::note(&format!("deleted webhook {number} of {name}"));
            Ok(())
        }
        Action::Deliveries {
            which,
            state,
            limit,
            json,
        } => deliveries(&which, state, limit, json, registry).await,
        Action::Redeliver { owner, delivery } => {
            let owner = registry.accounts().find_owner(&owner).await?;
            let webhooks = registry.webhooks();
            let again = webhooks.redeliver(&owner, (None, delivery), &BY).await;
            sent(again.map_err(failed)?.number())
        }
        Action::Test { which } => {
            let owner = registry.accounts().find_owner(&which.owner).await?;
            let test = registry.webhooks().test(&owner, which.number, &BY).await;
            sent(test.map_err(failed)?.number())
        }
    }
}

async fn add(
    owner: &OwnerName,
    url: &str,
    events: &[WebhookEvent],
    secret_stdin: bool,
    registry: &Administration,
) -> Result<(), Failure> {
    let secret = secret_stdin.then(|| secret::line("secret")).transpose()?;
    let order = WebhookOrder {
        url,
        events: WebhookEvents::of(events).unwrap_or(WebhookEvents::ALL),
        secret,
        active: true,
    };
    let owner = registry.accounts().find_owner(owner).await?;
    let added = registry
        .webhooks()
        .add(&owner, order, &BY)
        .await
        .map_err(failed)?;
    warn(registry, &added.webhook);
    let number = added.webhook.id;
    if let Some(secret) = added.generated {
        output::print_line(secret.expose())?;
    }
    let name = &owner.name;
    output::note(&format!(
        "{name} has webhook {number} now; try it: tarn webhook test {name} {number}"
    ));
    Ok(())
}

async fn change(
    which: &Which,
    order: ChangeOrder,
    registry: &Administration,
) -> Result<(), Failure> {
    let nothing = order.url.is_none()
        && order.events.is_none()
        && order.active.is_none()
        && matches!(order.secret, SecretChange::Keep);
    if nothing {
        return Err(Failure::usage("nothing is to be changed").hint(
            "give at least one of --url, --event, --enable, --disable, --new-secret, --secret-stdin",
        ));
    }
    let owner = registry.accounts().find_owner(&which.owner).await?;
    let secret = registry
        .webhooks()
        .change(&owner, which.number, order, &BY)
        .await
        .map_err(failed)?;
    if let Some(secret) = secret {
        output::print_line(secret.expose())?;
    }
    let (number, name) = (which.number, &owner.name);
    output::note(&format!("changed webhook {number} of {name}"));
    let webhook = registry.webhooks().one(&owner, which.number).await;
    warn(registry, &webhook.map_err(failed)?);
    Ok(())
}

/// Warns when the settings that this command reads forbid every delivery to the webhook.
fn warn(registry: &Administration, webhook: &Webhook) {
    if let Some(warning) = registry.webhooks().warning(webhook) {
        output::note(&format!("warning: {warning}"));
    }
}

async fn list(owner: &OwnerName, json: bool, registry: &Administration) -> Result<(), Failure> {
    let owner = registry.accounts().find_owner(owner).await?;
    let webhooks = registry.webhooks().list(&owner).await.map_err(failed)?;
    let shown: Vec<Shown> = webhooks.iter().map(Shown::of).collect();
    output::print_list(
        json,
        "webhook",
        ["WEBHOOK", "STATE", "EVENTS", "CREATED", "URL"],
        shown,
        |webhook| {
            [
                webhook.id.to_string(),
                if webhook.active { "active" } else { "disabled" }.to_owned(),
                webhook.events.join(","),
                webhook.created_at,
                webhook.url,
            ]
        },
    )
}

async fn deliveries(
    which: &Which,
    state: Option<DeliveryState>,
    limit: u32,
    json: bool,
    registry: &Administration,
) -> Result<(), Failure> {
    let owner = registry.accounts().find_owner(&which.owner).await?;
    let service = registry.webhooks();
    let webhook = service.one(&owner, which.number).await.map_err(failed)?;
    let window = Window { offset: 0, limit };
    let found = service.deliveries(&owner, which.number, state, window);
    let found = found.await.map_err(failed)?;
    let shown: Vec<ShownDelivery> = found
        .entries
        .into_iter()
        .map(|delivery| ShownDelivery::of(&webhook, delivery))
        .collect();
    if u64::from(limit) < found.total {
        output::note(&format!(
            "these are the newest {limit} of {}; --limit shows more, --state those of one kind",
            found.total
        ));
    }
    output::print_list(
        json,
        "delivery",
        [
            "DELIVERY", "EVENT", "STATE", "ATTEMPTS", "CREATED", "OUTCOME",
        ],
        shown,
        |delivery| {
            [
                delivery.id.to_string(),
                delivery.event.to_owned(),
                delivery.state.to_owned(),
                delivery.attempts.to_string(),
                delivery.created_at.clone(),
                delivery.outcome(),
            ]
        },
    )
}

/// Prints the number of a delivery that the server will send.
fn sent(delivery: i64) -> Result<(), Failure> {
    output::print_line(&delivery.to_string())?;
    output::note(
        "this is the number of the delivery; the running server sends it within seconds. `tarn webhook deliveries` shows the result",
    );
    Ok(())
}
