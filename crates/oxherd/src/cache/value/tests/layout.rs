//! Byte by byte: what other processes, older and newer ones, and the scripts rely on.

use bytes::Bytes;

use super::super::{Envelope, Packing, layout};
use super::{PLACE, header};

#[test]
fn the_bytes_of_an_envelope_are_those_of_the_design() {
    let bytes = Envelope::encode_value(&header(), Some(&[1, 2]), &Packing::new(), PLACE).unwrap();
    let expected = [
        &[0xc5, 0x4f, 1, 0][..],
        b"0123456789abcdef",
        &[0, 0, 0, 0, 0, 0, 0, 7],
        b"incarnat",
        b"0000000000000042",
        &1_790_000_000_000_u64.to_be_bytes(),
        &[0xe0, 0xd4, 0x03],
        &[0xac, 0x02],
        &[0x80, 0xdd, 0xdb, 0x01],
        &[0xd2, 0x09],
        &[2, 6],
        b"user/7",
        &[6],
        b"team/3",
        &xxhash_rust::xxh3::xxh3_64(b"[1,2]").to_be_bytes(),
        &[5],
        b"[1,2]",
    ]
    .concat();
    assert_eq!(bytes, expected);
}

#[test]
fn the_flags_say_what_is_inside() {
    let flags = |bytes: Vec<u8>| bytes[3];
    let mut header = header();
    assert_eq!(flags(Envelope::encode_counter(&header, 1, PLACE).unwrap()), 0b11);
    header.is_sliding = true;
    let packing = Packing::new()
        .with_codec(super::Codec::Postcard)
        .with_compress_from(1)
        .with_keys(super::ring());
    let zeros = "0".repeat(100);
    assert_eq!(
        flags(Envelope::encode_value(&header, Some(&zeros), &packing, PLACE).unwrap()),
        0b0101_0110
    );
    assert_eq!(
        flags(Envelope::encode_value::<u8>(&header, None, &packing, PLACE).unwrap()),
        0b0111_0010
    );
}

#[test]
fn the_fields_that_scripts_know_lie_where_they_look() {
    let bytes = Envelope::encode_value(&header(), Some(&1), &Packing::new(), PLACE).unwrap();
    assert_eq!(layout::field(&bytes, layout::AT_ID), Some(header().id));
    assert_eq!(
        layout::field(&bytes, layout::AT_VERSION),
        Some(7_u64.to_be_bytes())
    );
    assert_eq!(
        layout::field(&bytes, layout::AT_INCARNATION),
        Some(header().incarnation)
    );
    assert_eq!(
        layout::field(&bytes, layout::AT_AS_OF),
        Some(*b"0000000000000042")
    );
    assert_eq!(layout::field::<16>(&bytes[..50], layout::AT_AS_OF), None);
}

/// What a script of the store answers, with `envelope` and `more` as its arguments.
async fn scripted(script: &str, envelope: &[u8], more: &str) -> Vec<u8> {
    let mut connection = oxherd_engine::Engine::in_memory().connect();
    let mut eval = redis::cmd("EVAL");
    eval.arg(script).arg(0).arg(envelope).arg(more);
    eval.query_async(&mut connection).await.unwrap()
}

#[tokio::test]
async fn a_script_counts_on_without_reading_the_header() {
    let script = "
        local envelope = ARGV[1]
        local text = string.match(envelope, '%-?%d+$')
        local head = string.sub(envelope, 1, -2 - #text)
        local sum = string.format('%.0f', tonumber(text) + tonumber(ARGV[2]))
        return head .. string.char(#sum) .. sum";
    for count in [0, 5, 9, -1, -10, 99, -(1 << 52), 1 << 52] {
        let bytes = Envelope::encode_counter(&header(), count, PLACE).unwrap();
        let next = Envelope::parse(Bytes::from(scripted(script, &bytes, "2").await)).unwrap();
        assert_eq!(next.counter(), Ok(Some(count + 2)));
        assert_eq!(
            next.bytes(),
            &Envelope::encode_counter(&header(), count + 2, PLACE).unwrap()
        );
    }
}

#[tokio::test]
async fn a_script_writes_incarnation_and_count() {
    let script = "
        local envelope = ARGV[1]
        return string.sub(envelope, 1, 28) .. ARGV[2] .. string.sub(envelope, 53)";
    let bytes = Envelope::encode_value(&header(), Some(&1), &Packing::new(), PLACE).unwrap();
    let written = scripted(script, &bytes, "renewed!0000000000000099").await;
    let envelope = Envelope::parse(Bytes::from(written)).unwrap();
    assert_eq!(
        (envelope.header().incarnation, envelope.header().as_of),
        (*b"renewed!", 99)
    );
    assert_eq!(envelope.decode(&Packing::new(), PLACE), Ok(Some(1)));
}
