//! Headers of every page, and the files that pages load.

use http::Method;
use oxherd_testkit::on_every_store;

use crate::page::{failed_job, open, open_as, submit};
use crate::scene::Scene;

/// The values of all `src` and `href` attributes.
fn addresses(html: &str) -> Vec<String> {
    let parts = html
        .split(" src=\"")
        .skip(1)
        .chain(html.split(" href=\"").skip(1));
    parts
        .map(|part| part.split('"').next().unwrap().replace("&#38;", "&"))
        .collect()
}

on_every_store! {
    async fn every_page_may_load_only_our_own_files_and_has_nothing_inline(store: TestStore) {
        let scene = Scene::start(store).await;
        failed_job(&scene, "mail", 2).await;
        let pages = [
            open(&scene.client, "/").await,
            open(&scene.client, "/queues/mail").await,
            open(&scene.client, "/queues/mail/jobs/1").await,
            open_as(&scene.client, "/queues/nowhere", 404).await,
            submit(&scene.client, "/queues/mail/jobs/9/remove", "").await,
        ];
        for page in pages {
            let policy = page.header("content-security-policy");
            assert!(policy.starts_with("default-src 'self';"), "{policy}");
            assert!(
                !policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"),
                "{policy}"
            );
            assert_eq!(page.header("x-content-type-options"), "nosniff");
            assert_eq!(page.header("cache-control"), "no-store");
            // `no-referrer` would make browsers send `Origin: null` with our own forms.
            assert_eq!(page.header("referrer-policy"), "same-origin");
            page.lacks(" style=")
                .lacks("<style")
                .lacks(" onclick=")
                .lacks("javascript:");
            assert_eq!(
                page.text.matches("<script").count(),
                page.text.matches("<script src=\"/assets/").count()
            );
            assert!(
                !addresses(&page.text).iter().any(|address| address.contains("//")),
                "{}",
                page.text
            );
        }
    }
}

on_every_store! {
    async fn files_are_kept_for_ever_under_an_address_that_changes_with_them(store: TestStore) {
        let scene = Scene::start(store).await;
        let page = open(&scene.client, "/").await;
        let files: Vec<_> = addresses(&page.text)
            .into_iter()
            .filter(|address| address.starts_with("/assets/"))
            .collect();
        assert_eq!(files.len(), 4, "{files:?}");
        for file in &files {
            let answer = scene.client.get(file).await;
            assert_eq!(answer.status.as_u16(), 200, "{file}");
            let expected = match file.rsplit_once('.').unwrap().1 {
                "css" => "text/css; charset=utf-8",
                "js" => "text/javascript; charset=utf-8",
                _ => "image/svg+xml",
            };
            assert_eq!(answer.header("content-type"), expected);
            assert_eq!(
                answer.header("cache-control"),
                "public, max-age=31536000, immutable"
            );
            assert!(!answer.text.is_empty());
        }
        let old = scene.client.get("/assets/app-0123456789abcdef.css").await;
        assert_eq!(old.status.as_u16(), 404);
        assert_eq!(old.header("cache-control"), "no-store");
    }
}

on_every_store! {
    async fn every_link_of_every_page_leads_somewhere(store: TestStore) {
        let scene = Scene::start(store).await;
        failed_job(&scene, "mail", 2).await;
        scene.queue("a/b c").await.add("x", 1).id("1/2").await.unwrap();
        let (mut to_visit, mut visited) = (vec!["/".to_owned()], std::collections::BTreeSet::new());
        while let Some(path) = to_visit.pop() {
            let path = path.split('#').next().unwrap().to_owned();
            if path.is_empty() || !visited.insert(path.clone()) {
                continue;
            }
            let page = scene
                .client
                .send(Method::GET, &path, &[("accept", "text/html")], "")
                .await;
            assert_eq!(page.status.as_u16(), 200, "{path}");
            if page.header("content-type").starts_with("text/html") {
                to_visit.extend(addresses(&page.text));
            }
        }
        assert!(visited.contains("/queues/a%2Fb%20c/jobs/1%2F2"), "{visited:?}");
        assert!(visited.len() > 20, "{visited:?}");
    }
}
