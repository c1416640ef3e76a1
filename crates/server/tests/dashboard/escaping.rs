//! What jobs bring along stays text, wherever it appears.

use oxherd_testkit::on_every_store;

use crate::page::{open, open_as};
use crate::scene::{SOON, Scene};

const SCRIPT: &str = "<script>alert(1)</script>";
const ATTRIBUTE: &str = "\" onmouseover=\"alert(1)";
const QUEUE: &str = "<b>queue</b> & \"co\"";
const QUEUE_PATH: &str = "/queues/%3Cb%3Equeue%3C%2Fb%3E%20%26%20%22co%22";

on_every_store! {
    async fn markup_in_names_data_logs_errors_and_results_is_never_markup(store: TestStore) {
        let scene = Scene::start(store).await;
        let queue = scene.queue(QUEUE).await;
        let data = serde_json::json!({"html": SCRIPT, "attribute": ATTRIBUTE, SCRIPT: 1});
        queue.add(SCRIPT, data).id("<i>7</i>").attempts(2).await.unwrap();
        let worker = scene
            .worker(QUEUE, |worker| {
                worker
                    .name("<img src=x onerror=alert(1)>")
                    .handle_any(|_, context| async move {
                        context.log(SCRIPT).await?;
                        context.progress(&SCRIPT).await?;
                        Err(oxherd::Stop::retry(format!("{SCRIPT}{ATTRIBUTE}")))
                    })
            })
            .await;
        oxherd_testkit::eventually("it fails", SOON, async || {
            queue.counts().await.unwrap().failed == 1
        })
        .await;
        worker.stop(SOON).await;

        let job = format!("{QUEUE_PATH}/jobs/%3Ci%3E7%3C%2Fi%3E");
        let pages = [
            open(&scene.client, "/").await,
            open(&scene.client, QUEUE_PATH).await,
            open(&scene.client, &job).await,
            open_as(&scene.client, "/queues/%3Cscript%3Ealert(1)%3C%2Fscript%3E", 404).await,
            open_as(
                &scene.client,
                &format!("{QUEUE_PATH}?state=%3Cscript%3Ealert(1)%3C%2Fscript%3E"),
                400,
            )
            .await,
            open_as(
                &scene.client,
                &format!("{QUEUE_PATH}?id=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E"),
                404,
            )
            .await,
        ];
        for page in &pages {
            page.lacks("<script>")
                .lacks("<i>7")
                .lacks("<b>queue")
                .lacks("<img src=x")
                .lacks(ATTRIBUTE);
            page.has("&#60;");
        }
        // It is all there, as text: name, data, log, progress, reason, chain.
        let times = pages[2]
            .text
            .matches("&#60;script&#62;alert(1)&#60;/script&#62;")
            .count();
        assert!(times >= 6, "{times}: {}", pages[2].text);
    }
}
