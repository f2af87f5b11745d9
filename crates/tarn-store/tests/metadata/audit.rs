//! Reading the audit log, and what makes it shorter.

use std::time::Duration;

use tarn_base::clock::Timestamp;
use tarn_store::metadata::{Actor, AuditEntry, AuditFilter, AuditResult, Named, Refused, Through};

use crate::{START, World, about, act, actor, add_user, disabled};

impl World {
    pub(crate) async fn log(&self, filter: &AuditFilter) -> Vec<AuditEntry> {
        self.metadata
            .audit_entries(filter, None, 1_000)
            .await
            .unwrap()
    }

    async fn actions(&self, filter: &AuditFilter) -> Vec<String> {
        let log = self.log(filter).await;
        log.into_iter().map(|entry| entry.action).collect()
    }
}

fn refused(target: &str, at: Timestamp) -> Refused {
    Refused {
        by: Actor {
            address: Some([203, 0, 113, 9].into()),
            through: Through::Http,
            ..Actor::SERVER
        },
        at,
        action: "sign-in",
        owner: None,
        target: target.to_owned(),
        why: "the password is wrong".to_owned(),
    }
}

#[tokio::test]
async fn publishing_and_deleting_are_noted_with_all_that_is_known() {
    let world = World::new().await;
    world.record("zlib", "x86_64").await.unwrap();
    assert!(world.remove("zlib", "x86_64", START).await);
    let filter = about("package.");
    let log = world.log(&filter).await;
    let [deleted, published] = log.as_slice() else {
        unreachable!("{log:?}");
    };
    assert_eq!(published.action, "package.publish");
    assert_eq!(published.target, "edge/main/x86_64/zlib-1.0-r0.apk");
    assert_eq!(published.owner.as_deref(), Some("alice"));
    assert_eq!(published.account.as_deref(), Some("alice"));
    assert_eq!(published.address.as_deref(), Some("192.0.2.1"));
    assert_eq!(published.through, Through::Http);
    assert_eq!((published.at, published.result), (START, AuditResult::Done));
    assert_eq!(deleted.action, "package.delete");
    assert_eq!(deleted.target, published.target);
    assert_eq!(
        (&deleted.account, deleted.through),
        (&None, Through::CommandLine)
    );
    // What was refused or found nothing is not there.
    world.record("zlib", "x86_64").await.unwrap();
    world.record("zlib", "x86_64").await.unwrap_err();
    assert!(!world.remove("other", "x86_64", START).await);
    assert_eq!(world.log(&filter).await.len(), 3);
}

#[tokio::test]
async fn the_log_is_read_in_pages_from_the_newest() {
    let world = World::new().await;
    for number in 0..7 {
        world.record(&format!("p{number}"), "x86_64").await.unwrap();
    }
    let all = world.log(&AuditFilter::default()).await;
    assert!(all.windows(2).all(|pair| pair[0].id > pair[1].id));
    let (mut before, mut paged) = (None, Vec::new());
    loop {
        let filter = AuditFilter::default();
        let page = world
            .metadata
            .audit_entries(&filter, before, 3)
            .await
            .unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 3);
        before = Some(last.id);
        paged.extend(page);
    }
    assert_eq!(paged, all);
}

#[tokio::test]
async fn every_filter_narrows() {
    let world = World::new().await;
    let bob = add_user(&world.metadata, "bob").await;
    world.record("zlib", "x86_64").await.unwrap();
    let later = START.after(Duration::from_secs(10));
    let by = actor(world.alice);
    let act = by.at(later);
    let change = world.metadata.change_user(bob, disabled(true), &act);
    assert!(change.await.unwrap());
    world
        .metadata
        .note_refused(&[refused("Bob", later), refused("nobody", later)])
        .await
        .unwrap();
    let by = |set: &dyn Fn(&mut AuditFilter)| {
        let mut filter = AuditFilter::default();
        set(&mut filter);
        filter
    };
    for (filter, expected) in [
        (
            by(&|all| all.owner = Some(Named::Id(bob))),
            &["sign-in", "user.disable"][..],
        ),
        (
            by(&|all| all.owner = Some(Named::Name("BOB".to_owned()))),
            &["sign-in", "user.disable"],
        ),
        (
            by(&|all| all.owner = Some(Named::Id(world.alice))),
            &["package.publish"],
        ),
        (
            by(&|all| all.account = Some(Named::Id(world.alice))),
            &["user.disable", "package.publish"],
        ),
        (
            by(&|all| all.account = Some(Named::Name("Alice".to_owned()))),
            &["user.disable", "package.publish"],
        ),
        (by(&|all| all.account = Some(Named::Id(bob))), &[]),
        (about("user."), &["user.disable"]),
        (about("%"), &[]),
        (
            by(&|all| all.result = Some(AuditResult::Refused)),
            &["sign-in", "sign-in"],
        ),
        (
            by(&|all| all.address = Some("192.0.2.1".to_owned())),
            &["user.disable", "package.publish"],
        ),
        (
            by(&|all| all.since = Some(later)),
            &["sign-in", "sign-in", "user.disable"],
        ),
        (by(&|all| all.until = Some(later)), &["package.publish"]),
    ] {
        // Other parts of the program may note that users were added.
        let mut actions = world.actions(&filter).await;
        actions.retain(|action| action != "user.add");
        assert_eq!(actions, expected, "{filter:?}");
    }
}

#[tokio::test]
async fn the_retention_removes_the_oldest_in_batches_and_says_so() {
    let world = World::new().await;
    for number in 0..5 {
        world
            .record(&format!("old{number}"), "x86_64")
            .await
            .unwrap();
    }
    let later = START.after(Duration::from_secs(100));
    world.record_at("new", "x86_64", later).await.unwrap();
    let end = START.after(Duration::from_secs(1));
    let before = world.log(&AuditFilter::default()).await.len() as u64;
    let later = act(START.after(Duration::from_secs(200)));
    let prune = |most| world.metadata.prune_audit_log(end, most, &later);
    assert_eq!(prune(2).await.unwrap(), 2);
    assert_eq!(prune(1_000).await.unwrap(), before - 1 - 2);
    assert_eq!(prune(1_000).await.unwrap(), 0);
    let left = world.actions(&AuditFilter::default()).await;
    assert_eq!(left, ["audit.delete", "audit.delete", "package.publish"]);
    let pruned = &world.log(&AuditFilter::default()).await[1];
    assert_eq!(pruned.detail.as_deref(), Some("the oldest 2 entries"));
}

#[tokio::test]
async fn an_entry_cannot_be_changed() {
    let world = World::new().await;
    let change = "UPDATE audit_log SET account = 'mallory'";
    let refused = std::panic::catch_unwind(|| crate::sql(&world.folder, change)).unwrap_err();
    let said = refused.downcast_ref::<String>().unwrap();
    assert!(said.contains("never changed"), "{said}");
}
