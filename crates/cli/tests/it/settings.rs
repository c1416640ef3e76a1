//! Where settings come from: flag over environment over file over default.

use oxherd_testkit::{TestStore, on_every_store};

use crate::scene::{Scene, end};

/// `mail` under prefix `flag`, `environment` and `file`, so that a list tells which prefix it saw.
async fn three_prefixes(store: TestStore) -> Scene {
    let scene = Scene::start(store);
    for prefix in ["flag", "environment", "file"] {
        scene
            .run(&["job", "add", prefix, "welcome", "--prefix", prefix])
            .await
            .done();
    }
    scene
}

async fn listed(scene: &Scene, arguments: &[&str], environment: Option<&str>) -> String {
    let mut command = scene.command(&[&["queue", "list", "-q"], arguments].concat());
    if let Some(prefix) = environment {
        command.env("OXHERD_PREFIX", prefix);
    }
    end(command).await.done()
}

on_every_store! {
    async fn the_flag_comes_before_the_environment_and_that_before_the_file(store: TestStore) {
        let scene = three_prefixes(store).await;
        let file = format!("store = \"{}\"\nprefix = \"file\"\n", scene.url());
        std::fs::write(scene.directory.path().join("oxherd.toml"), file).unwrap();
        assert!(listed(&scene, &[], None).await.starts_with("file "));
        assert!(
            listed(&scene, &[], Some("")).await.starts_with("file "),
            "empty is unset"
        );
        assert!(
            listed(&scene, &[], Some("environment"))
                .await
                .starts_with("environment ")
        );
        assert!(
            listed(&scene, &["--prefix", "flag"], Some("environment"))
                .await
                .starts_with("flag ")
        );

        let mut command = scene.command(&["queue", "list", "-q"]);
        command.env_remove("OXHERD_STORE");
        assert!(
            end(command).await.done().starts_with("file "),
            "the store of the file is used"
        );
    }
}

on_every_store! {
    async fn another_file_can_be_named(store: TestStore) {
        let scene = three_prefixes(store).await;
        std::fs::write(scene.directory.path().join("other.toml"), "prefix = \"file\"\n").unwrap();
        assert!(
            listed(&scene, &["--config", "other.toml"], None)
                .await
                .starts_with("file ")
        );
        let said = scene
            .run(&["queue", "list", "--config", "absent.toml"])
            .await
            .failed(2);
        assert!(said.contains("absent.toml"), "{said}");
    }
}

#[tokio::test]
async fn everything_wrong_with_the_settings_is_told_at_once() {
    let scene = Scene::without_store();
    let file = "stroe = \"redis://localhost\"\nlisten = \"nowhere\"\n";
    std::fs::write(scene.directory.path().join("oxherd.toml"), file).unwrap();
    let said = scene.run(&["status"]).await.failed(2);
    assert!(said.contains("2 settings are wrong"), "{said}");
    assert!(said.contains("oxherd.toml:1") && said.contains("stroe"), "{said}");
    assert!(
        said.contains("oxherd.toml:2") && said.contains("listen"),
        "{said}"
    );
}

on_every_store! {
    async fn a_misspelt_variable_is_remarked_on(store: TestStore) {
        let scene = Scene::start(store);
        let mut command = scene.command(&["queue", "list", "--output", "table"]);
        command.env("OXHERD_PREFX", "mine");
        let ended = end(command).await;
        assert_eq!(ended.code(), 0);
        assert!(ended.err.contains("did you mean OXHERD_PREFIX?"), "{}", ended.err);
    }
}

on_every_store! {
    async fn jobs_of_a_webhook_queue_are_checked_as_deliveries(store: TestStore) {
        let scene = Scene::start(store);
        let file = "[[webhooks]]\nqueues = [\"hooks\"]\nattempts = 4\n";
        std::fs::write(scene.directory.path().join("oxherd.toml"), file).unwrap();
        let said = scene
            .run(&["job", "add", "hooks", "order", "--data", "{}"])
            .await
            .failed(2);
        assert!(said.contains("`data.url` is missing"), "{said}");
        let data = r#"{"url": "https://example.com", "body": 1}"#;
        scene
            .run(&["job", "add", "hooks", "order", "--data", data])
            .await
            .done();
        let job = scene
            .run(&["job", "show", "hooks", "1", "--output", "json"])
            .await
            .json();
        assert_eq!(job["attemptsAllowed"], 4);
    }
}
