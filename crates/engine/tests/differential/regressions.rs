//! Differences that were found once, each under the name of what it taught.
//!
//! The file holds sequences; the replies are the real server's, asked anew each time.

use crate::compare_sequences;
use crate::step::{Protocol, Sequence, Step};

const FOUND: &str = include_str!("../regressions/found.txt");

#[test]
fn what_was_found_once_does_not_come_back() {
    let cases: Vec<(String, Sequence)> = FOUND.split("\n\n").skip(1).map(read).collect();
    assert!(cases.len() > 20, "{} cases were read", cases.len());
    compare_sequences(&cases);
}

fn read(paragraph: &str) -> (String, Sequence) {
    let (title, steps) = paragraph.trim().split_once('\n').expect("a title and steps");
    let (name, protocols) = title.split_once(" | ").expect("a name and protocols");
    let protocols = protocols.split(' ').map(|version| match version {
        "3" => Protocol::Resp3,
        _ => Protocol::Resp2,
    });
    let sequence = Sequence {
        protocols: protocols.collect(),
        is_stepwise: true,
        steps: steps.lines().map(Step::read).collect(),
    };
    (name.to_owned(), sequence)
}
