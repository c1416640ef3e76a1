//! The names of entries and tags, built from typed parts.
//!
//! A key is what its type writes into a [`KeyWriter`], part by part; parts are escaped, so that `("a/b", "c")` and
//! `("a", "b/c")` are two keys. What comes out is printable and shows up so in `redis-cli`. Tenants are kept apart by the
//! name itself: no key of one tenant can spell a key of another.
//! Next: `store/keys.rs` (whole names).

use std::fmt;

use smallvec::SmallVec;

use super::text::Text;
use crate::error::{Error, Result};

/// Longest name of a namespace or tenant, in bytes.
const LONGEST_NAME: usize = 64;
/// Longest text of a key with its tenant, in bytes, without the two colons that part them: names are stored with every entry.
pub(super) const LONGEST_KEY: usize = 512;

/// Something that names one entry of a namespace.
///
/// Implemented for integers, text, booleans, UUIDs, and tuples and slices of these. A type of one's own writes its parts:
///
/// ```
/// use oxherd::cache::{CacheKey, KeyWriter};
///
/// struct ProductId(u64);
///
/// impl CacheKey for ProductId {
///     fn write(&self, key: &mut KeyWriter) {
///         key.part(&self.0);
///     }
/// }
/// ```
pub trait CacheKey {
    /// Writes the parts, always the same ones for equal keys.
    fn write(&self, key: &mut KeyWriter);
}

/// Takes the parts of a key or tag. Parts are joined by `/`; what could be mistaken for structure is escaped as `%XX`.
#[derive(Clone, Debug, Default)]
pub struct KeyWriter {
    text: Text,
    /// Where the present text begins: behind the tenant.
    start: usize,
}

impl KeyWriter {
    /// Makes it `TENANT:KEY:`, as [`KeyText`] has it once it is [finished](Self::finish). A look-up needs no more, and to move a
    /// key that was just written costs a hit a tenth of its time.
    #[inline]
    pub(crate) fn write_whole(&mut self, tenant: &str, key: &(impl CacheKey + ?Sized)) {
        if !tenant.is_empty() {
            self.text.extend(tenant.as_bytes());
        }
        self.text.push(b':');
        self.start = self.text.len();
        key.write(self);
        self.text.push(b':');
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// # Errors
    /// [`Error::CacheKey`] when tenant and key are longer than 512 bytes.
    pub(crate) fn finish(self) -> Result<KeyText> {
        let bytes = counted(self.text.as_bytes());
        if bytes > LONGEST_KEY {
            return Err(too_long(bytes));
        }
        Ok(KeyText::written(self.text.as_bytes()))
    }

    /// Writes what another key would write, as further parts.
    pub fn part<K: CacheKey + ?Sized>(&mut self, part: &K) -> &mut Self {
        part.write(self);
        self
    }

    /// Writes one part of text.
    pub fn text(&mut self, part: &str) -> &mut Self {
        self.bytes(part.as_bytes())
    }

    /// Writes one part of arbitrary bytes.
    pub fn bytes(&mut self, part: &[u8]) -> &mut Self {
        self.separate();
        if part.is_empty() {
            // An empty part is still a part; a lone percent sign cannot come from anything else.
            self.text.push(b'%');
        }
        // Without an early end: nearly all are plain, and to guess wrong once costs as much as twenty bytes.
        if part.iter().fold(true, |plain, byte| plain & is_plain(*byte)) {
            self.text.extend(part);
        } else {
            for byte in part {
                if is_plain(*byte) {
                    self.text.push(*byte);
                } else {
                    self.escaped(*byte);
                }
            }
        }
        self
    }

    fn integer(&mut self, value: impl itoa::Integer) {
        self.separate();
        let mut digits = itoa::Buffer::new();
        self.text.extend(digits.format(value).as_bytes());
    }

    fn separate(&mut self) {
        if self.text.len() > self.start {
            self.text.push(b'/');
        }
    }

    fn escaped(&mut self, byte: u8) {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or(b'0');
        self.text.extend(&[b'%', digit(byte >> 4), digit(byte & 15)]);
    }
}

/// Whether a byte may stand in a key as it is. Looked up: five comparisons a byte are half of what it takes to write a short key.
#[inline]
fn is_plain(byte: u8) -> bool {
    PLAIN.get(usize::from(byte)).copied().unwrap_or(false)
}

static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut rest = plain.as_mut_slice();
    let mut byte = 0_u8;
    while let Some((first, others)) = rest.split_first_mut() {
        *first = matches!(byte, b'!'..=b'~') && !matches!(byte, b':' | b'%' | b'{' | b'}' | b'/');
        byte = byte.wrapping_add(1);
        rest = others;
    }
    plain
};

macro_rules! integers {
    ($($kind:ty),*) => {
        $(impl CacheKey for $kind {
            fn write(&self, key: &mut KeyWriter) {
                key.integer(*self);
            }
        })*
    };
}
integers!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);

impl CacheKey for str {
    fn write(&self, key: &mut KeyWriter) {
        key.text(self);
    }
}

impl CacheKey for String {
    fn write(&self, key: &mut KeyWriter) {
        key.text(self);
    }
}

impl CacheKey for bool {
    fn write(&self, key: &mut KeyWriter) {
        key.text(if *self { "true" } else { "false" });
    }
}

impl CacheKey for char {
    fn write(&self, key: &mut KeyWriter) {
        key.text(self.encode_utf8(&mut [0; 4]));
    }
}

impl CacheKey for uuid::Uuid {
    fn write(&self, key: &mut KeyWriter) {
        key.text(self.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()));
    }
}

impl<K: CacheKey + ?Sized> CacheKey for &K {
    fn write(&self, key: &mut KeyWriter) {
        (**self).write(key);
    }
}

/// Their number first: two lists beside each other stay two lists.
impl<K: CacheKey> CacheKey for [K] {
    fn write(&self, key: &mut KeyWriter) {
        key.integer(self.len());
        for part in self {
            part.write(key);
        }
    }
}

impl<K: CacheKey> CacheKey for Vec<K> {
    fn write(&self, key: &mut KeyWriter) {
        self.as_slice().write(key);
    }
}

/// The one entry of a namespace that needs no key.
impl CacheKey for () {
    fn write(&self, key: &mut KeyWriter) {
        key.bytes(b"");
    }
}

macro_rules! tuples {
    ($($name:ident),*) => {
        impl<$($name: CacheKey),*> CacheKey for ($($name,)*) {
            #[allow(non_snake_case, reason = "a tuple's parts are named as their types")]
            fn write(&self, key: &mut KeyWriter) {
                let ($($name,)*) = self;
                $($name.write(key);)*
            }
        }
    };
}
tuples!(A);
tuples!(A, B);
tuples!(A, B, C);
tuples!(A, B, C, D);

/// `TENANT:KEY:`, which is what the last part of every name of an entry is, in the store and in this process.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct KeyText(SmallVec<[u8; 64]>);

impl KeyText {
    /// # Errors
    /// [`Error::CacheKey`] when tenant and key are longer than 512 bytes.
    pub(crate) fn of(tenant: &str, key: &(impl CacheKey + ?Sized)) -> Result<Self> {
        let mut writer = KeyWriter::default();
        writer.write_whole(tenant, key);
        writer.finish()
    }

    /// From `TENANT:KEY:` as a writer wrote it.
    pub(crate) fn written(text: &[u8]) -> Self {
        Self(SmallVec::from_slice(text))
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Writers let printable ASCII through and nothing else.
    pub(crate) fn as_str(&self) -> &str {
        printed(&self.0)
    }

    /// Tenant and key.
    pub(crate) fn parts(&self) -> (&str, &str) {
        let text = self.as_str();
        let text = text.strip_suffix(':').unwrap_or(text);
        text.split_once(':').unwrap_or(("", text))
    }
}

/// What a writer wrote, which is printable ASCII.
pub(crate) fn printed(text: &[u8]) -> &str {
    std::str::from_utf8(text).unwrap_or_default()
}

/// How many bytes of `TENANT:KEY:` count: those of tenant and key, without the colons.
pub(super) fn counted(whole: &[u8]) -> usize {
    whole.len().saturating_sub(2)
}

#[cold]
fn too_long(bytes: usize) -> Error {
    Error::CacheKey {
        reason: format!(
            "a key of {bytes} bytes with its tenant is longer than {LONGEST_KEY}; hash its longest part"
        ),
    }
}

impl fmt::Display for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tenant, key) = self.parts();
        match tenant {
            "" => write!(f, "key {key:?}"),
            tenant => write!(f, "key {key:?} of tenant {tenant:?}"),
        }
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What several entries of one namespace and tenant depend on, and can be invalidated by: a category, an author, a price list.
///
/// ```
/// use oxherd::cache::Tag;
///
/// let tag = Tag::new("category").with(&7);
/// assert_eq!(tag.to_string(), "category/7");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Box<str>);

impl Tag {
    /// A tag of this name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut writer = KeyWriter::default();
        writer.text(name);
        Self::from_text(writer.as_bytes())
    }

    /// The tag of this name and these parts.
    #[must_use]
    pub fn with(&self, parts: &(impl CacheKey + ?Sized)) -> Self {
        let mut writer = KeyWriter::default();
        writer.text.extend(self.0.as_bytes());
        parts.write(&mut writer);
        Self::from_text(writer.as_bytes())
    }

    fn from_text(text: &[u8]) -> Self {
        // A writer lets printable ASCII through and nothing else.
        Self(String::from_utf8_lossy(text).into())
    }

    /// As it is written into entries and names.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks the name of a namespace or a tenant.
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<()> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.len() > LONGEST_NAME {
        "it is longer than 64 bytes"
    } else if !name.bytes().all(is_plain) {
        "only letters, digits, `_`, `.` and `-` may be in it"
    } else {
        return Ok(());
    };
    Err(Error::CacheName {
        what,
        name: name.to_owned(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    /// However long it is.
    fn text(key: &(impl CacheKey + ?Sized)) -> String {
        // Of any length: what chance writes is often too long for a key.
        let mut writer = KeyWriter::default();
        writer.write_whole("acme", key);
        printed(writer.as_bytes()).to_owned()
    }

    #[test]
    fn a_key_is_readable() {
        assert_eq!(text(&42_u64), "acme:42:");
        assert_eq!(text(&("user", 42, true)), "acme:user/42/true:");
        assert_eq!(text("naïve key"), "acme:na%C3%AFve%20key:");
        assert_eq!(text(&()), "acme:%:");
    }

    #[test]
    fn a_key_that_is_too_long_says_what_to_do() {
        let error = KeyText::of("", "x".repeat(600).as_str()).unwrap_err();
        assert!(error.to_string().contains("hash its longest part"), "{error}");
    }

    #[test]
    fn tenant_and_key_have_512_bytes_together() {
        for tenant in ["", "acme"] {
            let most = LONGEST_KEY - tenant.len();
            KeyText::of(tenant, "x".repeat(most).as_str()).unwrap();
            let error = KeyText::of(tenant, "x".repeat(most + 1).as_str()).unwrap_err();
            assert!(error.to_string().contains("a key of 513 bytes"), "{error}");
        }
    }

    #[test]
    fn names_of_namespaces_and_tenants_are_plain() {
        for good in ["products", "price-list_2.eu"] {
            check_name("namespace", good).unwrap();
        }
        for bad in ["", "a:b", "a b", "{a}", "a@1", &"x".repeat(65)] {
            check_name("namespace", bad).unwrap_err();
        }
    }

    proptest! {
        #[test]
        fn different_parts_are_different_keys(
            left: (Vec<String>, Vec<String>),
            right: (Vec<String>, Vec<String>),
        ) {
            prop_assert_eq!(left == right, text(&left) == text(&right));
        }

        #[test]
        fn no_key_can_leave_its_tenant(parts: Vec<String>) {
            let text = text(&parts);
            let inner = text.strip_prefix("acme:").unwrap().strip_suffix(':').unwrap();
            prop_assert!(!inner.contains([':', '{', '}']), "{}", inner);
        }
    }
}
