//! The cache: its namespaces, single entries, and invalidation by hand.

use axum::Json;
use axum::extract::State;
use oxherd::cache::{Bounds, Matching};
use serde::Deserialize;
use serde_json::{Value, json};

use super::extract::{At, JsonBody, Parameters};
use super::{LONGEST_PAGE, PAGE};
use crate::app::App;
use crate::problem::{Kind, Problem};
use crate::view::{CacheEntry, CacheNamespace, CacheOverview, CacheTop};

/// The most entries that one look at the store for large ones takes.
const LARGEST_SAMPLE: u64 = 1_000_000;
/// Entries that one request removes by pattern unless told otherwise.
const REMOVED: u64 = 10_000;
/// And at the most.
const MOST_REMOVED: u64 = 1_000_000;

/// `GET /api/v1/cache`.
pub(super) async fn list(
    State(app): State<App>,
    parameters: Parameters,
) -> Result<Json<CacheOverview>, Problem> {
    parameters.only(&[])?;
    Ok(Json(app.view.cache().await?))
}

/// `GET /api/v1/cache/{namespace}`.
pub(super) async fn show(
    State(app): State<App>,
    At(namespace): At<String>,
    parameters: Parameters,
) -> Result<Json<CacheNamespace>, Problem> {
    parameters.only(&[])?;
    let found = app.view.cache_namespace(&namespace).await?;
    found.map(Json).ok_or_else(|| no_such_namespace(&namespace))
}

/// `GET /api/v1/cache/{namespace}/entries/{key}?tenant=`.
pub(super) async fn entry(
    State(app): State<App>,
    At((namespace, key)): At<(String, String)>,
    parameters: Parameters,
) -> Result<Json<CacheEntry>, Problem> {
    let parameters = parameters.only(&["tenant"])?;
    let tenant = parameters.text("tenant").unwrap_or_default();
    let entry = app.view.cache_entry(&namespace, tenant, &key).await?;
    entry.map(Json).ok_or_else(|| {
        let detail = format!("there is no entry {key:?} of tenant {tenant:?} in namespace {namespace:?}");
        Problem::new(Kind::NoSuchEntry, detail)
    })
}

/// `GET /api/v1/cache/{namespace}/top?limit=50&sample=0`.
pub(super) async fn top(
    State(app): State<App>,
    At(namespace): At<String>,
    parameters: Parameters,
) -> Result<Json<CacheTop>, Problem> {
    let parameters = parameters.only(&["limit", "sample"])?;
    let limit = parameters.number("limit", PAGE, 1, LONGEST_PAGE)?;
    let sample = parameters.number("sample", 0, 0, LARGEST_SAMPLE)?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let top = app.view.cache_top(&namespace, limit, sample).await?;
    top.map(Json).ok_or_else(|| no_such_namespace(&namespace))
}

/// What to invalidate: one of the first six; `tenant` beside one of the others says whose.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wish {
    key: Option<String>,
    tag: Option<String>,
    prefix: Option<String>,
    pattern: Option<String>,
    all: Option<bool>,
    tenant: Option<String>,
    limit: Option<u64>,
}

/// `POST /api/v1/cache/{namespace}/invalidate` with `{"key"|"tag"|"tenant"|"prefix"|"pattern"|"all": …}`.
pub(super) async fn invalidate(
    State(app): State<App>,
    At(namespace): At<String>,
    parameters: Parameters,
    JsonBody(body): JsonBody,
) -> Result<Json<Value>, Problem> {
    parameters.only(&[])?;
    let wish: Wish = serde_json::from_str(body.get())
        .map_err(|error| Problem::new(Kind::InvalidRequest, format!("the body cannot be read: {error}")))?;
    let inspector = app.view.inspector();
    if inspector.settings(&namespace).await?.is_none() {
        return Err(no_such_namespace(&namespace));
    }
    let tenant = wish.tenant.as_deref().unwrap_or_default();
    let limit = limit_of(&wish)?;
    let done = match &wish {
        Wish {
            key: Some(key),
            tag: None,
            prefix: None,
            pattern: None,
            all: None,
            ..
        } => {
            let removed = inspector.remove(&namespace, tenant, key).await?;
            json!({"by": "key", "removed": u64::from(removed)})
        }
        Wish {
            key: None,
            tag: Some(tag),
            prefix: None,
            pattern: None,
            all: None,
            ..
        } if !tag.is_empty() => {
            inspector.invalidate_tags(&namespace, tenant, &[tag]).await?;
            json!({"by": "tag"})
        }
        Wish {
            key: None,
            tag: None,
            prefix: Some(text),
            pattern: None,
            all: None,
            ..
        } => remove_matching(&app, &namespace, tenant, Matching::Prefix(text), limit).await?,
        Wish {
            key: None,
            tag: None,
            prefix: None,
            pattern: Some(text),
            all: None,
            ..
        } => remove_matching(&app, &namespace, tenant, Matching::Pattern(text), limit).await?,
        Wish {
            key: None,
            tag: None,
            prefix: None,
            pattern: None,
            all: Some(true),
            tenant: None,
            ..
        } => {
            inspector.clear(&namespace).await?;
            json!({"by": "all"})
        }
        Wish {
            key: None,
            tag: None,
            prefix: None,
            pattern: None,
            all: None,
            tenant: Some(tenant),
            ..
        } => {
            inspector.invalidate_tenant(&namespace, tenant).await?;
            json!({"by": "tenant"})
        }
        _ => {
            let detail = "say what to invalidate: one of `key`, `tag`, `prefix` and `pattern` (each with `tenant` where \
                          there are tenants), `tenant` alone, or `all`: true";
            return Err(Problem::new(Kind::InvalidRequest, detail));
        }
    };
    let mut answer = json!({"namespace": namespace});
    if let (Value::Object(answer), Value::Object(done)) = (&mut answer, done) {
        answer.extend(done);
    }
    Ok(Json(answer))
}

async fn remove_matching(
    app: &App,
    namespace: &str,
    tenant: &str,
    matching: Matching<'_>,
    limit: u64,
) -> Result<Value, Problem> {
    let by = match matching {
        Matching::Prefix(_) => "prefix",
        _ => "pattern",
    };
    let bounds = Bounds::default().with_keys(limit);
    let inspector = app.view.inspector();
    let done = inspector
        .remove_matching(namespace, tenant, matching, bounds, |_| ())
        .await?;
    Ok(json!({"by": by, "removed": done.removed, "complete": done.complete}))
}

fn limit_of(wish: &Wish) -> Result<u64, Problem> {
    let limit = wish.limit.unwrap_or(REMOVED);
    if (1..=MOST_REMOVED).contains(&limit) {
        return Ok(limit);
    }
    let detail = format!("`limit` must be a whole number from 1 to {MOST_REMOVED}");
    Err(Problem::new(Kind::InvalidRequest, detail).about("limit"))
}

fn no_such_namespace(namespace: &str) -> Problem {
    let detail = format!(
        "there is no namespace {namespace:?} of the cache; one is there once a process opened it, until a month after the last one, and is named NAME@VERSION"
    );
    Problem::new(Kind::NoSuchNamespace, detail).about("namespace")
}
