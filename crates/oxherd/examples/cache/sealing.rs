//! Sealing: the store holds ciphertext, bound to its tenant, namespace and key. Keys are changed without a miss.

use oxherd::Oxherd;
use oxherd::cache::{EncryptionKey, KeyId, KeyRing, Namespace, Packing};

/// A process that starts with this key ring.
fn start(oxherd: &Oxherd, keys: KeyRing) -> oxherd::Result<Namespace<u64, String>> {
    let process = Oxherd::on(oxherd.store().clone());
    process
        .cache()
        .namespace("letters")
        .packing(Packing::new().with_keys(keys))
        .open()
}

pub(crate) async fn run(oxherd: Oxherd) -> oxherd::Result<()> {
    // `openssl rand -base64 32`, from where you keep secrets.
    let old = EncryptionKey::from_base64("bm90IGEgc2VjcmV0IGFueSBtb3JlLCBvZiBjb3Vyc2U=")?;
    let new = EncryptionKey::from_base64("dGhpcyBvbmUgc3RhbmRzIGluIHRoZSBkb2NzLCB0b28=")?;

    let before = start(&oxherd, KeyRing::new(KeyId(1), old.clone()))?;
    before.set(&7, "a secret".to_owned()).await?;

    // 1. Every process learns to open what the new key seals.
    let learnt = start(
        &oxherd,
        KeyRing::new(KeyId(1), old.clone()).with_key(KeyId(2), new.clone())?,
    )?;
    // 2. Then the new key seals, and the old one opens.
    let turned = start(
        &oxherd,
        KeyRing::new(KeyId(2), new.clone()).with_key(KeyId(1), old)?,
    )?;
    turned.set(&8, "another".to_owned()).await?;
    assert!(learnt.get(&8).await?.is_some() && turned.get(&7).await?.is_some());
    // 3. After the longest TTL the old key goes. What it sealed and is still there would be a miss.
    let after = start(&oxherd, KeyRing::new(KeyId(2), new))?;
    assert!(after.get(&8).await?.is_some() && after.get(&7).await?.is_none());

    // Whoever has no key misses, and so does a sealed namespace with what is not sealed.
    let stranger = oxherd.cache().namespace::<u64, String>("letters").open()?;
    assert!(stranger.get(&8).await?.is_none());
    assert_eq!(stranger.stats().counts.foreign_entries, 1);
    Ok(())
}
