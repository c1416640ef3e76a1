//! One entry as it lies in the store, and whether a reader would take it.

use bytes::Bytes;
use redis::Value as Reply;
use serde::Serialize;

use super::{Inspector, full_name, remaining};
use crate::cache::stats::tenant_and_key;
use crate::cache::value::{Codec, Envelope, Foreign, Form, Method, Packing, Place};
use crate::clock::{Timestamp, millis};
use crate::error::Result;
use crate::store::{CacheKeys, decode, refused};

const OPERATION: &str = "look at an entry of the cache";
/// What is larger is not decoded for a look.
const LARGEST: usize = 16 << 20;

/// What a reader would make of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum EntryState {
    /// It is served.
    Fresh,
    /// Its TTL is over; it is served while it is refreshed, or when the source fails.
    Stale,
    /// It was invalidated: a miss.
    Invalid,
    /// It is not an entry that this version can read: a miss.
    Foreign,
}

/// One entry of a namespace. Times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Entry {
    /// `name@version`.
    pub namespace: String,
    /// The tenant; empty when there is none.
    pub tenant: String,
    /// The key as text.
    pub key: String,
    /// What a reader would make of it.
    pub state: EntryState,
    /// Why it is a miss.
    pub reason: Option<String>,
    /// Bytes as it lies in the store.
    pub bytes: usize,
    /// Until it leaves the store; `None` when it never does.
    pub expires_in_ms: Option<u64>,
    /// Version below which nothing may be written for this key.
    pub fence: Option<u64>,
    /// Until the lease of a load that is under way ends.
    pub lease_ms: Option<u64>,
    /// What its header says; `None` when it has none.
    #[serde(flatten)]
    pub header: Option<EntryHeader>,
    /// The value as JSON; `None` when it is sealed, absent, too large, or of a codec without names.
    #[serde(skip)]
    pub value: Option<String>,
    /// Why there is no value to show.
    pub hidden: Option<&'static str>,
}

/// What an entry says about itself. Times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EntryHeader {
    /// The id of its fill, in hexadecimal.
    pub id: String,
    /// The version of the row it was made of; 0 is none.
    pub version: u64,
    /// The count of invalidations it is as of.
    pub as_of: u64,
    /// When it was made, by the clock of the process that made it.
    pub created: Timestamp,
    /// How old it is.
    pub age_ms: u64,
    /// How long it is fresh.
    pub ttl_ms: u64,
    /// How long after that it may be served while it is refreshed.
    pub stale_while_revalidate_ms: u64,
    /// How long after its TTL it may be served when the source fails.
    pub stale_if_error_ms: u64,
    /// How long its load took, in microseconds.
    pub load_micros: u64,
    /// `json`, `messagepack`, `postcard` or `counter`.
    pub codec: &'static str,
    /// `none`, `lz4` or `zstd`.
    pub compression: &'static str,
    /// The number of the key it is sealed with.
    pub sealed_with: Option<u32>,
    /// It says that there is no value.
    pub absent: bool,
    /// Being read prolongs it.
    pub sliding: bool,
    /// Its tags.
    pub tags: Vec<String>,
    /// Bytes of the value, before it was compressed and sealed.
    pub plain_bytes: usize,
}

/// What lies in the store for a key.
struct Found {
    bytes: Bytes,
    expires_in: i64,
    incarnation: Option<Vec<u8>>,
    fence: Option<Vec<u8>>,
    lease_ms: i64,
}

impl Inspector {
    /// One entry; `None` when there is none.
    ///
    /// # Errors
    /// [`crate::Error::CacheName`], [`crate::Error::CacheKey`], [`crate::Error::StoreUnavailable`]; [`crate::Error::Store`] when the store
    /// refuses (no rights, for one).
    pub async fn entry(&self, namespace: &str, tenant: &str, key: &str) -> Result<Option<Entry>> {
        let keys = self.keys(namespace)?;
        let name = full_name(tenant, key)?;
        let Some(found) = self.find(&keys, &name).await? else {
            return Ok(None);
        };
        let (tenant, key) = tenant_and_key(&name);
        let mut entry = Entry {
            namespace: namespace.to_owned(),
            tenant,
            key,
            state: EntryState::Foreign,
            reason: None,
            bytes: found.bytes.len(),
            expires_in_ms: remaining(found.expires_in),
            fence: found
                .fence
                .and_then(|fence| Some(u64::from_be_bytes(fence.try_into().ok()?))),
            lease_ms: remaining(found.lease_ms),
            header: None,
            value: None,
            hidden: None,
        };
        let envelope = match Envelope::parse(found.bytes) {
            Ok(envelope) => envelope,
            Err(foreign) => {
                entry.reason = Some(foreign.to_string());
                return Ok(Some(entry));
            }
        };
        entry.reason = self
            .reason(&keys, &entry.tenant, &envelope, found.incarnation.as_deref())
            .await?;
        let header = header_of(&envelope, self.clock.now());
        entry.state = match &entry.reason {
            Some(_) => EntryState::Invalid,
            // Each read of a sliding entry prolongs it in the store, which alone knows its end.
            None if header.sliding || header.age_ms < header.ttl_ms => EntryState::Fresh,
            None => EntryState::Stale,
        };
        entry.header = Some(header);
        entry.show(&envelope);
        Ok(Some(entry))
    }

    /// The entry first and the stamps later: an invalidation in between is seen.
    async fn find(&self, keys: &CacheKeys, name: &[u8]) -> Result<Option<Found>> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("GET").arg(keys.entry(name));
        pipeline.cmd("PTTL").arg(keys.entry(name));
        pipeline.cmd("GET").arg(keys.incarnation());
        pipeline.cmd("GET").arg(keys.fence(name));
        pipeline.cmd("PTTL").arg(keys.lease(name));
        let reply = pipeline.query_async(&mut self.store.shared()).await;
        let reply: Reply = reply.map_err(|error| refused(OPERATION, error))?;
        type Parts = (Option<Vec<u8>>, i64, Option<Vec<u8>>, Option<Vec<u8>>, i64);
        let (bytes, expires_in, incarnation, fence, lease_ms): Parts = decode(OPERATION, reply)?;
        Ok(bytes.map(|bytes| Found {
            bytes: bytes.into(),
            expires_in,
            incarnation,
            fence,
            lease_ms,
        }))
    }

    /// Why the entry is not valid; the rule is in `docs/design/cache.md` under "Valid".
    async fn reason(
        &self,
        keys: &CacheKeys,
        tenant: &str,
        envelope: &Envelope,
        incarnation: Option<&[u8]>,
    ) -> Result<Option<String>> {
        let header = envelope.header();
        if incarnation != Some(&header.incarnation) {
            return Ok(Some("the namespace was cleared".to_owned()));
        }
        let own = (!tenant.is_empty()).then_some("");
        let tags: Vec<&str> = own
            .into_iter()
            .chain(header.tags.iter().map(|tag| &**tag))
            .collect();
        if tags.is_empty() {
            return Ok(None);
        }
        let mut command = redis::cmd("MGET");
        for tag in &tags {
            command.arg(keys.stamp(format!("{tenant}:{tag}:").as_bytes()));
        }
        let reply = command.query_async(&mut self.store.shared()).await;
        let stamps: Vec<Option<String>> =
            decode(OPERATION, reply.map_err(|error| refused(OPERATION, error))?)?;
        let judged = tags.into_iter().zip(stamps).find_map(|(tag, stamp)| {
            let what = match tag {
                "" => format!("tenant {tenant:?}"),
                tag => format!("tag {tag:?}"),
            };
            match stamp.and_then(|stamp| stamp.parse::<u64>().ok()) {
                None => Some(format!(
                    "the stamp of {what} is gone, so it may have been invalidated"
                )),
                Some(stamp) if stamp > header.as_of => Some(format!("{what} was invalidated")),
                Some(_) => None,
            }
        });
        Ok(judged)
    }
}

impl Entry {
    /// Decodes the value as far as that makes sense.
    fn show(&mut self, envelope: &Envelope) {
        let why = match (envelope.sealed(), envelope.form()) {
            _ if envelope.header().is_absent => "it is known to be absent",
            (Some(_), _) => "it is sealed",
            (None, Form::Value(Codec::Postcard)) => "postcard has no names to show",
            _ if envelope.plain_size() > LARGEST => "it is too large to show",
            (None, form) => match self.decode(envelope, form) {
                Ok(json) => {
                    self.value = Some(json);
                    return;
                }
                Err(Foreign::Codec) => "it cannot be told as JSON",
                Err(foreign) => {
                    self.state = EntryState::Foreign;
                    self.reason = Some(foreign.to_string());
                    "it cannot be read"
                }
            },
        };
        self.hidden = Some(why);
    }

    fn decode(&self, envelope: &Envelope, form: Form) -> Result<String, Foreign> {
        let packing = Packing::new().with_max_value(LARGEST);
        let place = Place {
            tenant: &self.tenant,
            namespace: &self.namespace,
            key: &self.key,
        };
        let plain = envelope.open(&packing, place)?;
        match form {
            Form::Value(Codec::MessagePack) => {
                let value: serde_json::Value = rmp_serde::from_slice(&plain).map_err(|_| Foreign::Codec)?;
                Ok(value.to_string())
            }
            _ => String::from_utf8(plain.into_owned()).map_err(|_| Foreign::Codec),
        }
    }
}

fn header_of(envelope: &Envelope, now: Timestamp) -> EntryHeader {
    let header = envelope.header();
    EntryHeader {
        id: header.id.iter().map(|byte| format!("{byte:02x}")).collect(),
        version: header.version,
        as_of: header.as_of,
        created: header.created,
        age_ms: millis(now.since(header.created)),
        ttl_ms: millis(header.ttl),
        stale_while_revalidate_ms: millis(header.stale_while_revalidate),
        stale_if_error_ms: millis(header.stale_if_error),
        load_micros: header.load_micros,
        codec: match envelope.form() {
            Form::Value(codec) => codec.as_str(),
            Form::Counter => "counter",
        },
        compression: match envelope.method() {
            Method::Plain => "none",
            Method::Lz4 => "lz4",
            Method::Zstd => "zstd",
        },
        sealed_with: envelope.sealed().map(|id| id.0),
        absent: header.is_absent,
        sliding: header.is_sliding,
        tags: header.tags.iter().map(ToString::to_string).collect(),
        plain_bytes: envelope.plain_size(),
    }
}
