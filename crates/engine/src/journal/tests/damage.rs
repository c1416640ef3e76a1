//! Bytes that have changed on the disk are reported, with file and offset.

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};

use super::super::contents::{Contents, OnDamage};
use super::super::directory::{Directory, Opening, Recovered};
use super::super::error::{Damage, JournalError};
use super::super::frame::{FileHeader, FileKind};
use super::super::log::LogWriter;
use super::super::storage::crash::{Call, Machine};
use super::scene::draft;

/// Everything in a directory, as far as it can be read: slices first, then groups.
fn read(machine: &Machine) -> (Vec<Vec<u8>>, Result<Recovered, JournalError>) {
    read_with(machine, OnDamage::Refuse)
}

fn read_with(machine: &Machine, on_damage: OnDamage) -> (Vec<Vec<u8>>, Result<Recovered, JournalError>) {
    let mut payloads = Vec::new();
    let outcome = Opening::new(machine.storage(), on_damage).and_then(|mut opening| {
        while let Some(record) = opening.next()? {
            payloads.push(record.payload.to_vec());
        }
        opening.finish().map(|(_, recovered)| recovered)
    });
    (payloads, outcome)
}

fn open(machine: &Machine) -> Directory {
    Directory::open(machine.storage()).unwrap().finish().unwrap().0
}

/// Payloads without a zero, so that none looks like a write cut short.
fn text(number: u64, length: usize) -> Vec<u8> {
    let mut text = number.to_string().into_bytes();
    text.resize(length.max(text.len()), b'_');
    text
}

/// An image of two slices, two segments and some groups in each; everything synced and nothing marked.
fn directory(machine: &Machine) -> Directory {
    let mut directory = open(machine);
    directory.log().append(1, &mut draft(&text(1, 40))).unwrap();
    let mut image = directory.begin_image().unwrap();
    image.write(&mut draft(&text(1, 700))).unwrap();
    directory.log().append(2, &mut draft(&text(2, 90))).unwrap();
    image.write(&mut draft(&text(2, 10))).unwrap();
    directory
        .adopt(image.finish(2).unwrap())
        .unwrap()
        .remove()
        .unwrap();
    directory.log().append(3, &mut draft(&text(3, 900))).unwrap();
    drop(directory.begin_image().unwrap());
    for last in 4..8 {
        directory
            .log()
            .append(last, &mut draft(&text(last, 300)))
            .unwrap();
        directory.log().sync().unwrap();
    }
    directory
}

const IMAGE: &str = "image-0000000000000001";
const OLDER: &str = "log-0000000000000001";
const NEWEST: &str = "log-0000000000000002";

#[test]
fn every_bit_counts_in_every_file() {
    let machine = Machine::new(1);
    let mut closing = directory(&machine);
    let whole = [text(1, 700), text(2, 10)]
        .into_iter()
        .chain([text(2, 90), text(3, 900)])
        .chain((4..8).map(|last| text(last, 300)));
    let whole: Vec<Vec<u8>> = whole.collect();
    let unmarked = closing.log().length();
    closing.close().unwrap();
    assert_eq!(read(&machine).0, whole);

    for name in [IMAGE, OLDER, NEWEST] {
        let bits = machine.contents(name).unwrap().len() as u64 * 8;
        for bit in 0..bits {
            machine.flip(name, bit);
            let (payloads, outcome) = read(&machine);
            assert!(whole.starts_with(&payloads), "{name}, bit {bit}");
            match outcome {
                Err(JournalError::Damaged(damage)) => {
                    assert_eq!(damage.file, name);
                    assert!(damage.offset <= bit / 8, "bit {bit}: {damage}");
                }
                // The mark at the end: it may be lost, as nothing else is.
                Ok(recovered) if name == NEWEST && bit / 8 >= unmarked => {
                    assert_eq!(payloads, whole);
                    assert_eq!(recovered.cut.unwrap().offset, unmarked);
                    break;
                }
                other => panic!("{name}, bit {bit}: {other:?}"),
            }
            machine.flip(name, bit);
        }
    }
}

#[test]
fn the_newest_group_is_protected_before_it_is_marked() {
    let machine = Machine::new(1);
    let mut directory = directory(&machine);
    let end = directory.log().length();
    let begin = end - 300 - 32;
    drop(directory);
    for bit in begin * 8..end * 8 {
        machine.flip(NEWEST, bit);
        let (_, outcome) = read(&machine);
        match outcome {
            Err(JournalError::Damaged(damage)) => {
                assert_eq!(
                    (damage.file.as_str(), damage.offset, damage.whole_up_to),
                    (NEWEST, begin, 6)
                );
            }
            other => panic!("bit {bit}: {other:?}"),
        }
        machine.flip(NEWEST, bit);
    }
}

#[test]
fn damage_says_what_can_be_read() {
    let machine = Machine::new(1);
    drop(directory(&machine));
    machine.flip(NEWEST, (48 + 332 + 100) * 8);
    let refused = read(&machine).1.unwrap_err().to_string();
    let expected = "log-0000000000000002 is damaged at byte 380: a record's checksum is wrong; \
                    everything up to change 4 can be read, and 2 groups behind it";
    assert_eq!(refused, expected);
}

#[test]
fn damage_may_be_cut_off_when_somebody_says_so() {
    let machine = Machine::new(1);
    drop(directory(&machine));
    machine.flip(NEWEST, (48 + 332 + 100) * 8);
    let (_, recovered) = read_with(&machine, OnDamage::Cut);
    let recovered = recovered.unwrap();
    assert_eq!(recovered.last, 4);
    let cut = recovered.cut.unwrap();
    assert_eq!((cut.offset, cut.bytes), (380, 3 * 332));
    assert_eq!(cut.damage.unwrap().groups_behind, 2);
    assert_eq!(read(&machine).1.unwrap().cut, None);

    machine.flip(OLDER, 60 * 8);
    assert!(read_with(&machine, OnDamage::Cut).1.is_err());
}

#[test]
fn a_torn_tail_is_cut_off_and_told() {
    let machine = Machine::new(1);
    drop(directory(&machine));
    let mut bytes = machine.contents(NEWEST).unwrap();
    let length = bytes.len() as u64;
    bytes.truncate(bytes.len() - 10);
    machine.put(NEWEST, &bytes);
    let (_, recovered) = read(&machine);
    let recovered = recovered.unwrap();
    assert_eq!(recovered.last, 6);
    let cut = recovered.cut.unwrap();
    assert_eq!((cut.offset, cut.bytes, cut.damage), (length - 332, 322, None));
    assert_eq!(machine.contents(NEWEST).unwrap().len() as u64, length - 332);
}

#[test]
fn many_groups_that_were_never_synced_may_be_torn() {
    let machine = Machine::new(1);
    let mut directory = open(&machine);
    for last in 1..500 {
        directory
            .log()
            .append(last, &mut draft(&text(last, 200)))
            .unwrap();
    }
    drop(directory);
    let name = "log-0000000000000000";
    let mut bytes = machine.contents(name).unwrap();
    bytes[512 * 100..512 * 101].fill(0);
    machine.put(name, &bytes);
    let recovered = read(&machine).1.unwrap();
    assert_eq!(recovered.last, (512 * 100 - 48) / 232);
    assert_eq!(recovered.cut.unwrap().damage, None);
}

#[test]
fn a_file_of_another_version_or_directory_is_refused() {
    let machine = Machine::new(1);
    drop(directory(&machine));
    let whole = machine.contents(NEWEST).unwrap();

    let mut newer = whole.clone();
    newer[8] = 2;
    newer[12..16].fill(0);
    let check = crc32c::crc32c(&newer[..48]);
    newer[12..16].copy_from_slice(&check.to_le_bytes());
    machine.put(NEWEST, &newer);
    let refused = read(&machine).1.unwrap_err().to_string();
    let expected = "log-0000000000000002 has format version 2, and this program knows version 1 alone";
    assert_eq!(refused, expected);

    let other = Machine::new(2);
    drop(directory(&other));
    machine.put(NEWEST, &other.contents(NEWEST).unwrap());
    let refused = read(&machine).1.unwrap_err().to_string();
    assert!(refused.contains("another directory's"), "{refused}");

    machine.put(NEWEST, &machine.contents(OLDER).unwrap());
    let refused = read(&machine).1.unwrap_err().to_string();
    assert!(refused.contains("another file"), "{refused}");

    machine.put(NEWEST, b"");
    let refused = read(&machine).1.unwrap_err().to_string();
    assert!(
        refused.starts_with("log-0000000000000002 is damaged at byte 0"),
        "{refused}"
    );
}

#[test]
fn a_gap_and_a_log_that_is_too_short_are_damage() {
    let machine = Machine::new(1);
    drop(directory(&machine));
    let older = machine.contents(OLDER).unwrap();
    machine.put(OLDER, &older[..older.len() - 932]);
    let refused = read(&machine).1.unwrap_err().to_string();
    assert!(
        refused.contains("it follows change 3, but the log ends with 2"),
        "{refused}"
    );

    let machine = Machine::new(1);
    let mut directory = open(&machine);
    let image = directory.begin_image().unwrap();
    directory.log().append(5, &mut draft(b"five")).unwrap();
    drop(directory.adopt(image.finish(5).unwrap()).unwrap());
    drop(directory);
    let log = machine.contents(OLDER).unwrap();
    machine.put(OLDER, &log[..log.len() - 1]);
    let JournalError::Damaged(damage) = read(&machine).1.unwrap_err() else {
        panic!("it is damage");
    };
    let what = "the log ends with change 0, and its image needs it up to 5";
    assert_eq!(
        (damage.file.as_str(), damage.offset, damage.what.as_str()),
        (OLDER, 48, what)
    );
    assert_eq!(
        machine.contents(OLDER).unwrap().len(),
        log.len() - 1,
        "nothing was changed"
    );
}

#[test]
fn a_payload_that_looks_like_records_is_none() {
    let machine = Machine::new(1);
    drop(directory(&machine));
    let records = machine.contents(NEWEST).unwrap();
    let mut directory = open(&machine);
    directory.log().append(9, &mut draft(&records)).unwrap();
    drop(directory);
    let mut bytes = machine.contents(NEWEST).unwrap();
    let torn = bytes.len() - 600;
    bytes[torn..].fill(0);
    machine.put(NEWEST, &bytes);
    let recovered = read(&machine).1.unwrap();
    assert_eq!((recovered.last, recovered.cut.unwrap().damage), (7, None));
}

#[test]
fn large_and_small_groups_are_read_in_large_pieces() {
    let machine = Machine::new(1);
    let mut directory = open(&machine);
    let lengths = [0, 5 << 20, 3, (1 << 20) - 32, 1 << 20, 200];
    let mut written = Vec::new();
    for round in 0..200 {
        let length = if round < 12 {
            lengths[round as usize % 6]
        } else {
            5_000
        };
        written.push(text(round, length));
        let before = machine.calls(Some(Call::Write));
        directory
            .log()
            .append(round + 1, &mut draft(&text(round, length)))
            .unwrap();
        assert_eq!(machine.calls(Some(Call::Write)) - before, 1);
    }
    drop(directory);
    let before = machine.calls(Some(Call::Read));
    let (payloads, recovered) = read(&machine);
    assert!(payloads == written);
    let pieces = recovered.unwrap().bytes >> 20;
    assert!(machine.calls(Some(Call::Read)) - before <= pieces + 12);
}

#[test]
fn the_state_as_of_the_last_sync_can_be_read_again() {
    let machine = Machine::new(1);
    let mut directory = directory(&machine);
    directory.log().append(8, &mut draft(b"not synced")).unwrap();
    let synced = directory.log().synced();
    let mut contents: Contents = directory.reread(synced).unwrap();
    let mut lasts = Vec::new();
    while let Some(record) = contents.next().unwrap() {
        lasts.push(record.last);
    }
    let expected = [None, None, Some(2), Some(3), Some(4), Some(5), Some(6), Some(7)];
    assert_eq!(lasts, expected);
    let files: Vec<_> = directory.state_files();
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, [IMAGE, OLDER, NEWEST]);
    for file in files {
        let there = machine.contents(&file.name).unwrap().len() as u64;
        let unsynced = if file.name == NEWEST { 42 } else { 0 };
        assert_eq!(file.length, there - unsynced);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(
        noise in vec(any::<u8>(), 0..2_000), flips in vec((0..3_usize, any::<u64>()), 1..20), cut in any::<usize>(),
    ) {
        let machine = Machine::new(1);
        drop(directory(&machine));
        let names = [IMAGE, OLDER, NEWEST];
        for (file, bit) in &flips {
            let bits = machine.contents(names[*file]).unwrap().len() as u64 * 8;
            machine.flip(names[*file], bit % bits);
        }
        drop(read(&machine));
        let mut bytes = machine.contents(NEWEST).unwrap();
        bytes.truncate(48 + cut % bytes.len());
        bytes.extend_from_slice(&noise);
        machine.put(NEWEST, &bytes);
        drop(read(&machine));
        machine.put(NEWEST, &noise);
        prop_assert!(read(&machine).1.is_err());
    }

    /// Valid records in an order that no writer has written them in.
    #[test]
    fn nothing_but_what_follows_is_taken(last in 0..10_u64, previous in 0..10_u64) {
        let machine = Machine::new(1);
        drop(directory(&machine));
        let store = u128::from_le_bytes(*machine.contents(OLDER).unwrap()[24..40].first_chunk().unwrap());
        let header = FileHeader { kind: FileKind::Log, number: 3, store, previous };
        let mut log = LogWriter::begin(machine.storage(), &header).unwrap();
        if last > previous {
            log.append(last, &mut draft(b"x")).unwrap();
        }
        drop(log);
        let (_, outcome) = read(&machine);
        prop_assert!(outcome.is_ok() == (previous == 7), "{outcome:?}");
    }
}

#[test]
fn a_damage_of_the_beginning_says_that_nothing_can_be_read() {
    let damage = Damage {
        file: "image-0000000000000001".into(),
        offset: 0,
        what: "its header is not one".into(),
        whole_up_to: 0,
        groups_behind: 0,
    };
    let expected =
        "image-0000000000000001 is damaged at byte 0: its header is not one; nothing before it can be read";
    assert_eq!(damage.to_string(), expected);
}
