//! Bits as Redis answers them.

use crate::reply::Reply;
use crate::testing::Session;

#[test]
fn bits_are_counted_from_the_highest_of_the_first_byte() {
    let session = Session::new();
    assert_eq!(session.ask("SETBIT bits 7 1"), Reply::Int(0));
    assert_eq!(session.ask("SETBIT bits 7 1"), Reply::Int(1));
    assert_eq!(session.ask_args(&[b"GET", b"bits"]), Reply::bulk([1]));
    assert_eq!(session.ask("GETBIT bits 100"), Reply::Int(0));
    session.ask("SET text foobar");
    assert_eq!(session.ask("BITCOUNT text"), Reply::Int(26));
    assert_eq!(session.ask("BITCOUNT text 5 30 BIT"), Reply::Int(17));
    assert_eq!(session.ask("BITCOUNT text -2 -1"), Reply::Int(7));
}

#[test]
fn behind_a_string_are_zeros_unless_the_end_was_given() {
    let session = Session::new();
    session.ask_args(&[b"SET", b"ones", &[0xff, 0xff]]);
    assert_eq!(session.ask("BITPOS ones 0"), Reply::Int(16));
    assert_eq!(session.ask("BITPOS ones 0 0 -1"), Reply::Int(-1));
    assert_eq!(session.ask("BITPOS ones 1 3 9 BIT"), Reply::Int(3));
    assert_eq!(session.ask("BITPOS absent 0"), Reply::Int(0));
    assert_eq!(session.ask("BITPOS absent 1"), Reply::Int(-1));
}

#[test]
fn shorter_strings_are_filled_up_with_zeros() {
    let session = Session::new();
    session.ask("SET long abc");
    session.ask("SET short a");
    assert_eq!(session.ask("BITOP AND both long short"), Reply::Int(3));
    assert_eq!(session.ask("GET both"), Reply::bulk(b"a\0\0"));
    assert_eq!(session.ask("BITOP XOR both long long"), Reply::Int(3));
    assert_eq!(session.ask("GET both"), Reply::bulk([0, 0, 0]));
    assert_eq!(session.ask("BITOP OR both absent"), Reply::Int(0));
    assert_eq!(session.ask("EXISTS both"), Reply::Int(0));
}

#[test]
fn a_field_wraps_saturates_or_refuses() {
    let session = Session::new();
    let ints = |numbers: &[i64]| Reply::Array(numbers.iter().copied().map(Reply::Int).collect());
    assert_eq!(
        session.ask("BITFIELD field SET u8 0 250 INCRBY u8 #0 10"),
        ints(&[0, 4])
    );
    assert_eq!(
        session.ask("BITFIELD field OVERFLOW SAT INCRBY i8 #1 200 GET u4 8"),
        ints(&[127, 7])
    );
    let refused = session.ask("BITFIELD field OVERFLOW FAIL INCRBY i8 #1 1");
    assert_eq!(refused, Reply::Array(vec![Reply::Nil]));
    assert_eq!(
        session.ask("BITFIELD_RO field GET i64 0"),
        ints(&[0x047f_0000_0000_0000])
    );
    assert!(session.ask("BITFIELD_RO field SET u8 0 1").is_error());
}
