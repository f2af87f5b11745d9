//! The pages of webhooks: added, changed, tested, and messages sent again.

use crate::{
    browser::{Browser, between},
    pages::is_page,
    server::{TestServer, hello},
};

/// The states of the messages on the page of a webhook, newest first.
fn states(page: &str) -> Vec<&str> {
    let (_, list) = page.split_once("<h2>Deliveries").unwrap();
    let pills = list.split("<span class=\"pill ").skip(1);
    let pills = pills.filter_map(|pill| pill.split_once("\">"));
    pills
        .filter_map(|(_, text)| text.split('<').next())
        .collect()
}

#[tokio::test]
async fn webhooks_are_added_tested_and_sent_again() {
    let server = TestServer::start().await;
    let mut browser = Browser::signed_in(&server, "alice").await;
    let path = "/-/owners/alice/webhooks";
    is_page(&browser.get(path).await.expect(200));
    for (fields, status) in [
        (vec![("url", "ftp://x"), ("event", "published")], 422),
        (vec![("url", "https://hooks.test/x")], 422),
    ] {
        browser.expect(path, &fields, status).await;
    }
    let fields = [("url", "https://hooks.test/x"), ("event", "published")];
    let page = browser.expect(path, &fields, 200).await;
    is_page(&page);
    let page = page.text();
    assert!(!between(&page, "<pre id=\"secret-made\">", "</pre>").is_empty());
    let page = browser.text(path).await;
    let one = between(&page, "<td class=\"name\"><a href=\"", "\"").to_owned();
    // All of the URL: two webhooks may have one host.
    assert!(page.contains(">https://hooks.test/x</a>"), "{page}");
    server.publish("edge/main", hello()).await.expect(201);
    let page = browser.text(&one).await;
    assert!(page.contains("value=\"https://hooks.test/x\""), "{page}");
    let message = between(&page, "<td class=\"name\">published ", "<time");
    assert!(message.starts_with("hello 1.0-r0<") && message.contains(">edge/main/x86_64<"));
    // What is done seldom does not stand behind a long list.
    assert!(page.find("Delete the webhook") < page.find("<h2>Deliveries"));
    let page = browser.followed(&format!("{one}/test"), &[]).await;
    assert!(page.contains("A test message is on its way."));
    assert!(page.contains(">pending<"), "{page}");
    let fields = [
        ("url", "https://hooks.test/y"),
        ("event", "deleted"),
        ("active", "yes"),
        ("secret", "mine"),
    ];
    let page = browser.followed(&one, &fields).await;
    assert!(
        page.contains("value=\"deleted\" checked") && !page.contains("value=\"published\" checked")
    );
    let redeliver = format!("{one}/redeliver");
    browser.expect(&redeliver, &[("delivery", "99")], 404).await;
    // What has ended can be sent again; disabling the webhook ends what is pending.
    assert!(!page.contains("name=\"delivery\""), "{page}");
    let active = |word| [("event", "deleted"), ("active", word)];
    for word in ["no", "yes"] {
        browser.post_and_follow(&one, &active(word)).await;
    }
    let page = browser.text(&one).await;
    assert_eq!(states(&page), ["failed", "failed"]);
    // The newest one is the test message.
    let delivery = between(&page, "name=\"delivery\" value=\"", "\"").to_owned();
    let page = browser
        .followed(&redeliver, &[("delivery", &*delivery)])
        .await;
    assert!(page.contains("The message is sent again."), "{page}");
    assert_eq!(states(&page), ["pending", "failed", "failed"]);
    let sent = between(&page, "<td class=\"name\">", "<");
    assert_eq!(sent, "ping", "{page}");
    let page = browser
        .expect(&one, &[("event", "deleted"), ("generate", "yes")], 200)
        .await
        .text();
    assert!(page.contains("secret-made"), "{page}");
    browser.expect(&format!("{one}/test"), &[], 409).await;
    let page = browser.followed(&format!("{one}/remove"), &[]).await;
    assert!(page.contains("There are no webhooks."));
    browser.get(&one).await.expect(404);
    // What the server will not send to is said at once.
    assert!(!page.contains("nothing will be sent"));
    let fields = [("url", "http://192.168.0.1/"), ("event", "published")];
    let page = browser.expect(path, &fields, 200).await.text();
    assert!(
        page.contains("This webhook gets no messages: 192.168.0.1 is not a public address"),
        "{page}"
    );
}
