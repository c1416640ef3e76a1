//! Signing in with the token, and out again.

use http::Method;
use oxherd_testkit::on_every_store;

use crate::client::{Answer, Client};
use crate::page::{open, open_as, submit, submit_from};
use crate::scene::Scene;

const TOML: &str = "token = \"correct-horse-battery\"\n";

async fn open_with(client: &Client, path: &str, cookie: &str) -> Answer {
    client
        .send(
            Method::GET,
            path,
            &[("accept", "text/html"), ("cookie", cookie)],
            "",
        )
        .await
}

on_every_store! {
    async fn whoever_knows_the_token_gets_a_session_and_the_page_that_was_wanted(store: TestStore) {
        let scene = Scene::with(store, TOML).await;
        scene.queue("mail").await.add("x", 1).await.unwrap();
        let sent_away = open_with(&scene.client, "/queues/mail?state=waiting", "").await;
        assert_eq!(sent_away.status.as_u16(), 303);
        let login = sent_away.header("location").to_owned();
        let form = open(&scene.client, &login).await;
        form.has(r#"name="next" value="/queues/mail?state=waiting""#)
            .says("Token of this server");
        form.lacks("Sign out").has(r#"type="password""#);

        let fields = "token=correct-horse-battery&next=%2Fqueues%2Fmail%3Fstate%3Dwaiting";
        let begun = submit(&scene.client, "/login", fields).await;
        assert_eq!(begun.status.as_u16(), 303, "{}", begun.text);
        assert_eq!(begun.header("location"), "/queues/mail?state=waiting");
        let cookie = begun.header("set-cookie");
        assert!(
            cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
            "{cookie}"
        );
        assert!(!cookie.contains("correct-horse-battery"));
        let cookie = cookie.split(';').next().unwrap();
        let page = open_with(&scene.client, begun.header("location"), cookie).await;
        assert_eq!(page.status.as_u16(), 200);
        page.says("Sign out").says("Waiting jobs of queue mail");

        let origin = format!("http://{}", scene.client.address());
        let headers = [("cookie", cookie), ("origin", &*origin)];
        let ended = scene.client.send(Method::POST, "/logout", &headers, "").await;
        assert_eq!((ended.status.as_u16(), ended.header("location")), (303, "/login"));
        assert!(ended.header("set-cookie").contains("Max-Age=0"));
    }
}

on_every_store! {
    async fn a_wrong_token_is_refused_and_never_repeated(store: TestStore) {
        let scene = Scene::with(store, TOML).await;
        let refused = submit(
            &scene.client,
            "/login",
            "token=wrong-secret&next=%2Fqueues%2Fmail",
        )
        .await;
        assert_eq!(refused.status.as_u16(), 401);
        refused
            .says("This is not the token of this server.")
            .has(r#"value="/queues/mail""#)
            .lacks("wrong-secret");
        assert_eq!(refused.header("set-cookie"), "");
        let forged = submit_from(
            &scene.client,
            "https://evil.example",
            "/login",
            "token=correct-horse-battery",
        )
        .await;
        assert_eq!(forged.status.as_u16(), 403);
    }
}

on_every_store! {
    async fn signing_in_never_leads_to_another_server(store: TestStore) {
        let scene = Scene::with(store, TOML).await;
        for next in [
            "https%3A%2F%2Fevil.example",
            "%2F%2Fevil.example",
            "%2F%5Cevil.example",
            "",
        ] {
            let begun = submit(
                &scene.client,
                "/login",
                &format!("token=correct-horse-battery&next={next}"),
            )
            .await;
            assert_eq!(begun.header("location"), "/", "{next}");
        }
        open_as(&scene.client, "/login?next=https%3A%2F%2Fevil.example", 200)
            .await
            .lacks("evil");
    }
}

on_every_store! {
    async fn without_a_token_there_is_nothing_to_sign_in_to(store: TestStore) {
        let scene = Scene::start(store).await;
        let answer = open_with(&scene.client, "/login?next=%2Fqueues%2Fmail", "").await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("location")),
            (303, "/queues/mail")
        );
        open(&scene.client, "/").await.does_not_say("Sign out");
    }
}
