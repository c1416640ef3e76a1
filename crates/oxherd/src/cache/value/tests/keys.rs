//! Seals hold where they were put, for whoever has the key.

use bytes::Bytes;
use proptest::prelude::*;

use super::super::{EncryptionKey, Envelope, Foreign, KeyId, KeyRing, Packing, Place, layout};
use super::{PLACE, header, key, ring};
use crate::error::Error;

const SECRET: &str = "a secret that must not be seen";

fn sealed_by(keys: KeyRing) -> Envelope {
    let packing = Packing::new().with_keys(keys);
    Envelope::parse(Bytes::from(
        Envelope::encode_value(&header(), Some(SECRET), &packing, PLACE).unwrap(),
    ))
    .unwrap()
}

fn opened_by(envelope: &Envelope, keys: KeyRing) -> Result<Option<String>, Foreign> {
    envelope.decode(&Packing::new().with_keys(keys), PLACE)
}

#[test]
fn a_rotation_misses_nothing_that_a_key_of_the_ring_sealed() {
    let old = KeyRing::new(KeyId(1), key(1));
    let ready = KeyRing::new(KeyId(1), key(1)).with_key(KeyId(2), key(2)).unwrap();
    let turned = KeyRing::new(KeyId(2), key(2)).with_key(KeyId(1), key(1)).unwrap();
    let done = KeyRing::new(KeyId(2), key(2));
    let secret = Ok(Some(SECRET.to_owned()));
    for (writer, readers) in [
        (&old, [&old, &ready, &turned]),
        (&ready, [&old, &ready, &turned]),
        (&turned, [&ready, &turned, &done]),
    ] {
        for reader in readers {
            assert_eq!(opened_by(&sealed_by(writer.clone()), reader.clone()), secret);
        }
    }
    assert_eq!(
        opened_by(&sealed_by(old), done),
        Err(Foreign::UnknownKey(KeyId(1)))
    );
}

#[test]
fn another_key_of_the_same_number_opens_nothing() {
    assert_eq!(
        opened_by(
            &sealed_by(KeyRing::new(KeyId(1), key(1))),
            KeyRing::new(KeyId(1), key(9))
        ),
        Err(Foreign::Seal)
    );
}

#[test]
fn a_sealed_entry_is_not_opened_without_keys_nor_an_unsealed_one_with_them() {
    let sealed = sealed_by(ring());
    assert_eq!(
        sealed.decode::<String>(&Packing::new(), PLACE),
        Err(Foreign::UnknownKey(KeyId(2)))
    );
    for plain in [Some(SECRET), None] {
        let bytes = Envelope::encode_value(&header(), plain, &Packing::new(), PLACE).unwrap();
        let unsealed = Envelope::parse(Bytes::from(bytes)).unwrap();
        assert_eq!(opened_by(&unsealed, ring()), Err(Foreign::Unsealed));
    }
}

#[test]
fn a_value_moved_to_another_place_is_refused() {
    let packing = Packing::new().with_keys(ring());
    for value in [Some(SECRET), None] {
        let bytes = Envelope::encode_value(&header(), value, &packing, PLACE).unwrap();
        let envelope = Envelope::parse(Bytes::from(bytes)).unwrap();
        for place in [
            Place {
                tenant: "other",
                ..PLACE
            },
            Place { tenant: "", ..PLACE },
            Place {
                namespace: "pages@3",
                ..PLACE
            },
            Place {
                key: "user/8",
                ..PLACE
            },
            Place {
                tenant: PLACE.namespace,
                namespace: PLACE.tenant,
                ..PLACE
            },
        ] {
            assert_eq!(
                envelope.decode::<String>(&packing, place),
                Err(Foreign::Seal),
                "{place:?}"
            );
        }
        assert_eq!(
            envelope.decode::<String>(&packing, PLACE),
            Ok(value.map(str::to_owned))
        );
    }
}

proptest! {
    #[test]
    fn no_two_places_share_a_seal(
        (tenant, namespace, key) in ("[ab]{0,2}", "[ab]{0,2}", "[ab]{0,2}"),
        (other_tenant, other_namespace, other_key) in ("[ab]{0,2}", "[ab]{0,2}", "[ab]{0,2}"),
    ) {
        let place = Place { tenant: &tenant, namespace: &namespace, key: &key };
        let other = Place { tenant: &other_tenant, namespace: &other_namespace, key: &other_key };
        let packing = Packing::new().with_keys(ring());
        let bytes = Envelope::encode_value(&header(), Some(&1), &packing, place).unwrap();
        let envelope = Envelope::parse(Bytes::from(bytes)).unwrap();
        prop_assert_eq!(envelope.decode::<u8>(&packing, other).is_ok(), place == other);
    }
}

#[test]
fn what_scripts_write_leaves_the_seal_whole() {
    let packing = Packing::new().with_keys(ring());
    let mut bytes = Envelope::encode_value(&header(), Some(SECRET), &packing, PLACE).unwrap();
    bytes[layout::AT_INCARNATION..layout::AT_AS_OF].copy_from_slice(b"anewone!");
    bytes[layout::AT_AS_OF..layout::AT_CREATED].copy_from_slice(b"0000000000000099");
    let envelope = Envelope::parse(Bytes::from(bytes)).unwrap();
    assert_eq!(
        (envelope.header().incarnation, envelope.header().as_of),
        (*b"anewone!", 99)
    );
    assert_eq!(envelope.decode(&packing, PLACE), Ok(Some(SECRET.to_owned())));
}

#[test]
fn a_sealed_entry_tells_nothing_of_its_value_but_its_size() {
    let (first, second) = (sealed_by(ring()), sealed_by(ring()));
    assert_ne!(
        first.bytes(),
        second.bytes(),
        "the same value is sealed anew each time"
    );
    assert_eq!(first.header().hash, 0);
    for envelope in [first, second] {
        assert!(
            !envelope
                .bytes()
                .windows(6)
                .any(|bytes| SECRET.as_bytes().windows(6).any(|part| part == bytes))
        );
    }
}

#[test]
fn keys_are_read_from_bytes_and_from_base64_of_either_alphabet() {
    let bytes: Vec<u8> = (0..32).map(|at| 255 - at * 3).collect();
    let standard = "//z59vPw7ern5OHe29jV0s/MycbDwL26t7SxrquopaI=";
    let texts = [
        standard.to_owned(),
        format!(" {standard}\n"),
        standard.trim_end_matches('=').to_owned(),
        standard.replace('/', "_").replace('+', "-"),
    ];
    for text in texts {
        let envelope = sealed_by(KeyRing::new(KeyId(1), EncryptionKey::from_bytes(&bytes).unwrap()));
        let keys = KeyRing::new(KeyId(1), EncryptionKey::from_base64(&text).unwrap());
        assert_eq!(opened_by(&envelope, keys), Ok(Some(SECRET.to_owned())), "{text}");
    }
}

#[test]
fn keys_that_are_none_are_refused_without_being_repeated() {
    for (bytes, reason) in [
        (&[7; 31][..], "31 bytes"),
        (&[7; 33], "33 bytes"),
        (&[], "0 bytes"),
        (&[0; 32], "zero"),
    ] {
        let error = EncryptionKey::from_bytes(bytes).unwrap_err();
        assert!(matches!(error, Error::EncryptionKey { .. }));
        assert!(error.to_string().contains(reason), "{error}");
    }
    let error = EncryptionKey::from_base64("hunter2 is no base64!").unwrap_err();
    assert!(
        error.to_string().contains("base64") && !error.to_string().contains("hunter2"),
        "{error}"
    );
    let twice = ring().with_key(KeyId(2), key(3)).unwrap_err();
    assert!(twice.to_string().contains("key 2"), "{twice}");
}

#[test]
fn printing_shows_numbers_of_keys_and_nothing_else() {
    assert_eq!(format!("{:?}", ring()), "KeyRing { current: 2, others: [1], .. }");
    assert_eq!(format!("{:?}", key(1)), "EncryptionKey(secret)");
    assert_eq!(ring().ids().collect::<Vec<_>>(), [KeyId(2), KeyId(1)]);
}
